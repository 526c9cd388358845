//! What a lost race costs: reading three versions of a session and merging them. DESIGN.md's bound is 100 µs for 20 KiB.

use cloakroom_format::{Format, MergeOptions, decode, merge, summary};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// A shop's session of about `size` bytes: settings, a cart of arrays, a list of pages seen.
fn shop(size: usize, added: Option<usize>, page: &str) -> Vec<u8> {
    let mut cart = String::new();
    let mut items = 0;
    while cart.len() < size {
        cart += &format!(
            "s:32:\"{items:032x}\";a:5:{{s:10:\"product_id\";i:{};s:8:\"quantity\";i:{};s:4:\"data\";s:64:\"{:064}\";s:5:\"price\";d:{}.95;\
             s:4:\"note\";s:5:\"green\";}}",
            1000 + items,
            if added == Some(items) { 2 } else { 1 },
            items,
            items % 90
        );
        items += 1;
    }
    let mut session = format!("user|i:42;lang|s:5:\"de_DE\";cart|a:{items}:{{{cart}}}");
    session += &format!("seen|a:3:{{i:0;s:5:\"/home\";i:1;s:5:\"/shop\";i:2;s:{}:\"{page}\";}}", page.len());
    session += "visits|i:17;";
    session.into_bytes()
}

fn benches(c: &mut Criterion) {
    let size = 20 << 10;
    let base = shop(size, None, "/cart");
    let mine = shop(size, Some(3), "/cart");
    let theirs = shop(size, Some(40), "/pay");
    let mut group = c.benchmark_group("20 KiB");
    group.throughput(Throughput::Bytes(base.len() as u64));
    group.bench_function("decode", |b| b.iter(|| decode(Format::Php, black_box(&base))));
    group.bench_function("names and sizes", |b| b.iter(|| summary(Format::Php, black_box(&base))));
    group.bench_function("merge, both sides changed one cart and one list", |b| {
        b.iter(|| merge(Format::Php, black_box(&base), black_box(&mine), black_box(&theirs), &MergeOptions::default()));
    });
    group.bench_function("merge, only one side changed", |b| {
        b.iter(|| merge(Format::Php, black_box(&base), black_box(&base), black_box(&theirs), &MergeOptions::default()));
    });
    group.finish();
}

criterion_group!(merges, benches);
criterion_main!(merges);
