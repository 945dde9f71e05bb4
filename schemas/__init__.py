"""What the data is: skeletons, clip schemas, batches and the errors of the house."""
