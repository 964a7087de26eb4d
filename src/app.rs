//! The only place where channels and tasks are joined.
