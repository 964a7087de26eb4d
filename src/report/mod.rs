//! Evidence and verdict in, bytes for people and machines out. Pure.
