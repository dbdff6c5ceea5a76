"""Following a run in wandb, mlflow and trackio: a process of its own reads the run folder and sends what is new."""
