"""Which frames of a video are worth a person's time."""
