"""What people run: the command line, the local stack, the demo, the simulator. Nothing of the engine imports it."""
