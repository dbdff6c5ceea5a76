"""Three lines of Python: `load` a model, give it a picture, save the drawing."""
