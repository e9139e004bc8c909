"""The truth about jobs: SQL, the phase table, the validator, the queue, the worker and the products."""
