"""Train a recipe's network on a data set, in a run that can be stopped and resumed."""
