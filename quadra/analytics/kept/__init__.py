"""What people keep for their questions: goals, segments of people, annotations; and the doors to them."""
