//! Guides: what one has to know beyond a single item.

pub mod waiting {
    //! Waiting inside tasks.
}
