"""What is in a dataset: findings, summary and contact sheet."""
