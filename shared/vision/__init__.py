"""The image arithmetic that trainer, deployer and inference share: letterbox, suppression, overlap."""
