"""Use cases: what the doors, the worker and the command line may ask of the product."""
