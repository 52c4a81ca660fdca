//! How a task is called.

/// The name of a closure or future: that of its type, for want of anything better.
///
/// It is kept as a function, because the name itself cannot be a constant. The function is called
/// only when the name is asked for.
pub(crate) struct Name(fn() -> &'static str);

impl Name {
    /// Returns the name of the type `N`.
    pub(crate) const fn of<N>() -> Self {
        Self(std::any::type_name::<N>)
    }

    pub(crate) fn get(&self) -> &'static str {
        (self.0)()
    }
}
