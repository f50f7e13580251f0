"""What every family's training shares: loop, resume, loss history."""
