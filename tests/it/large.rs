//! Closures of any size run, and large ones never touch a worker's stack.

use workmill::{Builder, ThreadPoolExecutor};

use crate::support::limited;

#[test]
fn a_closure_larger_than_the_stack_runs() {
    limited(|| {
        let pool = Builder::new()
            .threads(1)
            .stack_size(64 << 10)
            .build()
            .unwrap();
        let load = [7_u8; 1 << 20];
        let sum = pool.submit(move || load.iter().map(|&byte| u64::from(byte)).sum::<u64>());
        assert_eq!(sum.join().unwrap(), 7 << 20);
        let (sender, receiver) = std::sync::mpsc::channel();
        let load = [9_u8; 1 << 20];
        pool.execute(move || sender.send(load[load.len() - 1]).unwrap());
        assert_eq!(receiver.recv().unwrap(), 9);
        // Cancelled and refused ones are not read there either.
        let load = [0_u8; 1 << 20];
        let release = crate::support::occupy(&pool);
        let handle = pool.submit(move || load.len());
        pool.execute(move || assert_eq!(load[0], 0));
        assert_eq!(pool.shutdown_now(), 2);
        assert!(handle.join().unwrap_err().is_cancelled());
        release.set();
    });
}

#[test]
fn closures_of_every_small_size_run() {
    fn check<const N: usize>(pool: &ThreadPoolExecutor) {
        let bytes: [u8; N] = std::array::from_fn(|i| i as u8);
        let handle = pool.submit(move || bytes);
        assert_eq!(handle.join().unwrap(), bytes);
        let (sender, receiver) = std::sync::mpsc::channel();
        pool.execute(move || sender.send(bytes).unwrap());
        assert_eq!(receiver.recv().unwrap(), bytes);
    }
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        check::<0>(&pool);
        check::<1>(&pool);
        check::<8>(&pool);
        check::<15>(&pool);
        check::<16>(&pool);
        check::<17>(&pool);
        check::<24>(&pool);
        check::<25>(&pool);
        check::<1024>(&pool);
        check::<1025>(&pool);
    });
}

#[test]
fn closures_with_strict_alignment_run() {
    #[derive(Clone, Copy)]
    #[repr(align(64))]
    struct Aligned(u8);

    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let aligned = Aligned(7);
        let check = move || {
            let aligned = aligned;
            assert_eq!((&raw const aligned).addr() % 64, 0);
            aligned
        };
        assert_eq!(pool.submit(check).join().unwrap().0, 7);
        let (sender, receiver) = std::sync::mpsc::channel();
        pool.execute(move || sender.send(check().0).unwrap());
        assert_eq!(receiver.recv().unwrap(), 7);
    });
}
