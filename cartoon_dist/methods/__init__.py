"""A method is its networks and the losses of one step of each; the loop knows none by name."""
