//! Functions that can be jobs.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value that can be sent to where a job runs, and back: one that serde encodes and decodes, and
/// that borrows nothing. Implemented for all of these.
///
/// # Examples
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use workmill_jobs::Sendable;
///
/// #[derive(Serialize, Deserialize)]
/// struct Sack {
///     grain: String,
///     kilograms: u32,
/// }
///
/// fn is_sendable<T: Sendable>() {}
///
/// is_sendable::<(Sack, Vec<f64>)>(); // compiles, so it is
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or the result of a job",
    label = "cannot be sent to another process",
    note = "it implements `Serialize` and `Deserialize`, and owns what it holds",
    note = "an error is a type with `#[derive(Serialize, Deserialize)]`, or a `String`",
    note = "an `async fn` returns a future, which cannot be sent"
)]
pub trait Sendable: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Sendable for T {}

mod sealed {
    pub trait Sealed<A, M> {}
}

/// A function that can be a job: without captures, and with arguments and a result that are
/// [`Sendable`].
///
/// It is implemented for functions of up to eight arguments, and cannot be implemented elsewhere.
/// `A` is the type of the argument, or the tuple of them; `M` is the type of the function pointer,
/// such as `fn(u64) -> u64`, which the compiler finds by itself.
///
/// # Examples
///
/// ```
/// use workmill_jobs::{Job, JobExecutor, Sendable};
///
/// /// Runs a job for each of the arguments.
/// fn map<F, A, M>(executor: &impl JobExecutor, function: F, arguments: Vec<A>) -> Vec<F::Output>
/// where
///     F: Job<A, M>,
///     A: Sendable,
/// {
///     let handles = arguments.into_iter().map(|argument| executor.submit_job(function, argument));
///     let handles: Vec<_> = handles.collect();
///     handles.into_iter().map(|handle| handle.join().unwrap()).collect()
/// }
///
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// assert_eq!(map(&pool, square, vec![1, 2, 3]), [1, 4, 9]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a job with the arguments `{A}`",
    label = "not a function of these arguments whose result can be sent",
    note = "a job is a function `fn(A, B) -> R` without captures",
    note = "it is submitted with its argument, with a tuple of them, or with `()`",
    note = "its arguments and result implement `Serialize` and `Deserialize`, and own all they hold"
)]
pub trait Job<A, M>: sealed::Sealed<A, M> + Copy + Send + Sync + 'static {
    /// The result of the function.
    type Output: Sendable;

    /// Calls the function, on this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_jobs::Job;
    ///
    /// fn add(a: u64, b: u64) -> u64 {
    ///     a + b
    /// }
    ///
    /// assert_eq!(Job::call(add, (1, 2)), 3);
    /// ```
    fn call(self, arguments: A) -> Self::Output;
}

/// Fails when it is compiled, if the function is more than its type.
pub(crate) const fn assert_no_captures<F>() {
    const {
        assert!(
            size_of::<F>() == 0,
            "a job must have no captures, and be the function itself, not a pointer to it: pass \
             what it captures as an argument"
        );
    }
}

impl<F, R> sealed::Sealed<(), fn() -> R> for F where F: Fn() -> R {}

impl<F, R> Job<(), fn() -> R> for F
where
    F: Fn() -> R + Copy + Send + Sync + 'static,
    R: Sendable,
{
    type Output = R;

    fn call(self, (): ()) -> R {
        self()
    }
}

impl<F, A, R> sealed::Sealed<A, fn(A) -> R> for F where F: Fn(A) -> R {}

impl<F, A, R> Job<A, fn(A) -> R> for F
where
    F: Fn(A) -> R + Copy + Send + Sync + 'static,
    A: Sendable,
    R: Sendable,
{
    type Output = R;

    fn call(self, argument: A) -> R {
        self(argument)
    }
}

macro_rules! jobs_of_several_arguments {
    ($(($($type:ident $name:ident),+))+) => {$(
        impl<F, $($type,)+ R> sealed::Sealed<($($type,)+), fn($($type),+) -> R> for F
        where
            F: Fn($($type),+) -> R,
        {
        }

        impl<F, $($type,)+ R> Job<($($type,)+), fn($($type),+) -> R> for F
        where
            F: Fn($($type),+) -> R + Copy + Send + Sync + 'static,
            $($type: Sendable,)+
            R: Sendable,
        {
            type Output = R;

            fn call(self, ($($name,)+): ($($type,)+)) -> R {
                self($($name),+)
            }
        }
    )+};
}

jobs_of_several_arguments! {
    (A a, B b)
    (A a, B b, C c)
    (A a, B b, C c, D d)
    (A a, B b, C c, D d, E e)
    (A a, B b, C c, D d, E e, G g)
    (A a, B b, C c, D d, E e, G g, H h)
    (A a, B b, C c, D d, E e, G g, H h, I i)
}

/// Programs that are not compiled.
///
/// ```compile_fail
/// let captured = 3_u64;
/// workmill_jobs::Jobs::new().with("add", move |n: u64| n + captured);
/// ```
///
/// ```compile_fail
/// fn square(n: u64) -> u64 { n * n }
/// workmill_jobs::Jobs::new().with("square", square as fn(u64) -> u64);
/// ```
///
/// ```compile_fail,E0277
/// async fn square(n: u64) -> u64 { n * n }
/// workmill_jobs::Jobs::new().with("square", square);
/// ```
///
/// ```compile_fail,E0277
/// fn fail() -> Result<(), Box<dyn std::error::Error>> { Ok(()) }
/// workmill_jobs::Jobs::new().with("fail", fail);
/// ```
///
/// ```compile_fail
/// fn length(text: &str) -> usize { text.len() }
/// workmill_jobs::Jobs::new().with("length", length);
/// ```
///
/// And one that is, with all that they have in common:
///
/// ```
/// fn square(n: u64) -> u64 { n * n }
/// workmill_jobs::Jobs::new().with("square", square);
/// ```
#[cfg(doctest)]
struct Refused;
