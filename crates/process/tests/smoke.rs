use workmill_process::{Jobs, ProcessPoolExecutor};
fn square(n: u64) -> u64 {
    n * n
}
fn crash() {
    std::process::abort()
}
fn slow(ms: u64) {
    std::thread::sleep(std::time::Duration::from_millis(ms))
}
fn boom(n: u32) {
    panic!("no {n}")
}
fn jobs() -> Jobs {
    Jobs::new()
        .with("square", square)
        .with("crash", crash)
        .with("slow", slow)
        .with("boom", boom)
}
fn main() {
    workmill_process::serve_if_worker(jobs());
    let pool = ProcessPoolExecutor::new(2, jobs()).unwrap();
    let t = std::time::Instant::now();
    assert_eq!(pool.submit(square, 3).join().unwrap(), 9);
    println!("first {:?}", t.elapsed());
    let c = pool.submit(crash, ());
    println!("{}", c.join().unwrap_err());
    println!("{}", pool.submit(boom, 3).join().unwrap_err());
    let hs: Vec<_> = (0..100u64).map(|n| pool.submit(square, n)).collect();
    let s: u64 = hs.into_iter().map(|h| h.join().unwrap()).sum();
    println!("{s}");
    let h = pool.submit(slow, 100_000);
    let d = std::time::Instant::now();
    while !h.is_running() {
        assert!(d.elapsed().as_secs() < 5);
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(20));
    let t = std::time::Instant::now();
    println!("cancel {}", h.cancel());
    println!("{} {:?}", h.join().unwrap_err(), t.elapsed());
    let h = pool
        .timeout(std::time::Duration::from_millis(30))
        .submit(slow, 100_000);
    println!("{}", h.join().unwrap_err());
    println!("{:?}", pool.metrics());
    let n = 20000;
    for _ in 0..3 {
        let t = std::time::Instant::now();
        for _ in 0..n {
            pool.submit(square, 3).join().unwrap();
        }
        println!("empty {:?}", t.elapsed() / n);
    }
    let t = std::time::Instant::now();
    let mut q = std::collections::VecDeque::new();
    for _ in 0..n {
        q.push_back(pool.submit(square, 3));
        if q.len() == 64 {
            q.pop_front().unwrap().join().unwrap();
        }
    }
    for h in q {
        h.join().unwrap();
    }
    println!("window {:?}", t.elapsed() / n);
    pool.shutdown();
    println!("{:?}", pool.metrics());
}
