"""The stages after the timeline, a file each (udfs/pipeline.py); jobs/pipeline.py says which of them a job has."""
