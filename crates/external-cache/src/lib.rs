//! Caching through one client: typed values, single-flight loading, locks with fencing.
