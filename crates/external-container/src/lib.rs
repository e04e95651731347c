//! From one configuration file to clients: named instances, injection, health, ordered shutdown.
