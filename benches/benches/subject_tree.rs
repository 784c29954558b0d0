//! The tree of a store's subjects.

use std::hint::black_box;
use std::ops::ControlFlow;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use natrium_storage::subject_tree::SubjectTree;

fn subjects(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("orders.{}.{:07}", at % 50, at * 7919 % count)).collect()
}

fn tree_of(subjects: &[String]) -> SubjectTree<[u64; 3]> {
    let mut tree = SubjectTree::new();
    for subject in subjects {
        tree.insert(subject.as_bytes(), [1; 3]);
    }
    tree
}

fn trees(c: &mut Criterion) {
    let mut group = c.benchmark_group("subject tree");
    for count in [1000, 100_000] {
        let subjects = subjects(count);
        let tree = tree_of(&subjects);
        let mut at = 0;
        let mut next = || {
            at = (at + 1) % count;
            at
        };
        group.bench_function(format!("find/{count}"), |b| {
            b.iter(|| tree.find(black_box(subjects[next()].as_bytes())));
        });
        group.bench_function(format!("match 1 of 50 tokens/{count}"), |b| {
            b.iter(|| {
                let mut found = 0;
                let _ = tree.for_each_match(black_box(b"orders.7.*"), |_, _, value| {
                    found += value[0];
                    ControlFlow::Continue(())
                });
                found
            });
        });
    }
    let subjects = subjects(10_000);
    group.bench_function("insert 10,000", |b| {
        b.iter_batched(|| (), |()| tree_of(black_box(&subjects)).len(), BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group!(benches, trees);
criterion_main!(benches);
