//! How a task is called.

use std::panic::Location;

/// The name of a closure or future: that of its type, for want of anything better, or one that the
/// user has given to a view.
///
/// That of a type is kept as a function, because the name itself cannot be a constant. The function
/// is called only when the name is asked for.
pub(crate) struct Name(Kind);

enum Kind {
    OfType(fn() -> &'static str),
    Given(&'static str, &'static Location<'static>),
}

impl Name {
    /// Returns the name of the type `N`.
    pub(crate) const fn of<N>() -> Self {
        Self(Kind::OfType(std::any::type_name::<N>))
    }

    /// Returns a name that is given at a place in the source.
    pub(crate) const fn given(name: &'static str, place: &'static Location<'static>) -> Self {
        Self(Kind::Given(name, place))
    }

    /// Returns the place in the source where the name was given, if it was.
    pub(crate) fn place(&self) -> Option<&'static Location<'static>> {
        match self.0 {
            Kind::OfType(_) => None,
            Kind::Given(_, place) => Some(place),
        }
    }

    pub(crate) fn get(&self) -> &'static str {
        match self.0 {
            Kind::OfType(of) => of(),
            Kind::Given(name, _) => name,
        }
    }
}
