//! How a task is called.

/// The name of a closure or future: that of its type, for want of anything better, or one that the
/// user has given to a view.
///
/// That of a type is kept as a function, because the name itself cannot be a constant. The function
/// is called only when the name is asked for.
pub(crate) struct Name(Kind);

enum Kind {
    OfType(fn() -> &'static str),
    Given(&'static str),
}

impl Name {
    /// Returns the name of the type `N`.
    pub(crate) const fn of<N>() -> Self {
        Self(Kind::OfType(std::any::type_name::<N>))
    }

    /// Returns a name that is given.
    pub(crate) const fn given(name: &'static str) -> Self {
        Self(Kind::Given(name))
    }

    pub(crate) fn get(&self) -> &'static str {
        match self.0 {
            Kind::OfType(of) => of(),
            Kind::Given(name) => name,
        }
    }
}
