"""What one would build otherwise: one job for each event, on arq or Celery, with the same verification and reducer."""
