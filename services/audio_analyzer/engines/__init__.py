"""What decodes and compares speech."""
