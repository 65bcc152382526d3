"""What is generated, one file each."""
