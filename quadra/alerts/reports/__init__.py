"""Reports: a page or a saved view by mail, each day, week or month."""
