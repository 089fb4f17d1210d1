"""What the scripts that kill, suspend, copy and starve a Daybook server have in common."""
