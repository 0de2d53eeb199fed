"""One actor for each calendar: mailbox, batches, commits, snapshots, hold alarms."""
