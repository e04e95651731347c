//! The call pipeline: deadline, retry by effect, circuit breaker, attempt timeout, call records.
