//! Large values made where they stay.

/// What `make` gives, in a box. The room first: what is made before there is any is copied into it, all of it. With
/// futures that is thousands of bytes, though hardly any are in use before they are polled.
#[inline(always)]
pub fn boxed<T>(make: impl FnOnce() -> T) -> Box<T> {
    Box::write(Box::new_uninit(), make())
}
