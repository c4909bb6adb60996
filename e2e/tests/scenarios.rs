//! x
use e2e::cluster::{Kind, Lab};
#[expect(clippy::unwrap_used)]
fn main() {
    let lab = Lab::new().unwrap();
    let t = std::time::Instant::now();
    lab.offers(Kind::Apache, true).unwrap();
    println!("jars {:?}", t.elapsed());
    let c = lab.shared(Kind::Apache).unwrap();
    println!("up {:?}", t.elapsed());
    let mut k = c.client();
    k.create_topic("a", 2, &[]).unwrap();
    println!("{:?}", k.partition_count("a"));
    println!("{:?}", k.partition_count("b"));
    use e2e::kafka::*;
    let r = |c| Batch { records: vec![Record::new(5, Some(b"x")).with_header(b"\xff", None)], compression: c };
    for c in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        println!("{:?}", k.append("a", 1, &r(c)));
    }
    k.delete_records("a", 1, 2).unwrap();
    println!("{:?} {:?} {:?}", k.log_start("a", 1), k.log_end("a", 1), k.stable_end("a", 1));
    println!("{:?}", k.read_topic("a"));
    println!("{:?}", k.committed("g", "a", 1));
    println!("{:?}", k.delete_topic("a"));
    let mut own = lab.own(Kind::Apache).unwrap();
    println!("own up {:?}", t.elapsed());
    own.kill9().unwrap();
    own.start().unwrap();
    println!("restarted {:?}", t.elapsed());
    own.suspend().unwrap();
    own.resume().unwrap();
    own.stop().unwrap();
    println!("stopped {:?}", t.elapsed());
}
