"""The services are the use cases: what the doors, the worker and the command line may call."""
