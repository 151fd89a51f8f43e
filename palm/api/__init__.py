"""The Python API of PALM 2 on the one training engine: trainers, heads, optimizer, schedules, data readers."""
