//! Contracts, errors and shared types for connecting services to external systems.
