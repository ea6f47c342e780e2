"""What every question has in common: whose events, which time, which filters, one snapshot."""
