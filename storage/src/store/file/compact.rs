//! Rewriting a sealed block without what was deleted of it: beside itself, then renamed into its place.

use futures_lite::future::yield_now;
use natrium_model::Timestamp;

use crate::block::control::Control;
use crate::block::entry::{Entries, Entry, encode_deleted_set, encode_sources};
use crate::block::frame::FrameKind;
use crate::block::header::HEAD_LEN;
use crate::block::sources::ToldSources;
use crate::block::spans::{SPAN_LEN_MIN, Span, Spans};
use crate::block::summary::{Opening, Row, Summarizer, Summary};
use crate::block::tail::FRAME_LEN_MIN;
use crate::cache::SpanContent;
use crate::coding::{FrameEncoder, FrameFields};
use crate::disk::{Disk, File, Open, PAGE_SIZE};
use crate::record::Record;
use crate::seq_set::SeqSet;
use crate::store::block::{BlockNumber, Phase};
use crate::store::file::create::{NewBlock, new_head};
use crate::store::file::names::BlockName;
use crate::store::file::seal::Footer;
use crate::store::file::{BlockFile, FileMedia};
use crate::store::ledger::Ledger;
use crate::store::read::SpanPlace;
use crate::store::{CommitNumber, Store, StoreError};

/// What a block is rewritten from.
struct Plan {
    number: BlockNumber,
    generation: u64,
    first: u64,
    last: u64,
    last_timestamp: Option<Timestamp>,
    gone: SeqSet,
    /// Deletes of earlier blocks that it must go on telling of.
    tombstones: SeqSet,
    low: u64,
    absorbed_below: BlockNumber,
    spans: usize,
    /// The key of its entries' checksums, where it may tell of sources.
    sources_salt: Option<u64>,
    /// All that is left out was deleted by then.
    commit: CommitNumber,
}

impl<D: Disk> FileMedia<D> {
    /// A sealed block that is worth rewriting: one that has to be, or one of which less than half is left.
    pub(super) fn choose_rewrite(&self, ledger: &Ledger) -> Option<BlockNumber> {
        let left_alone = self.left_alone.borrow();
        let erased = self.to_be_erased.borrow();
        let files = self.files.borrow();
        let is_worth_it = |number: &BlockNumber| {
            let Some(block) = ledger.block(*number) else { return false };
            let is_sparse = block.is_sparse() && block.plain_len >= REWRITE_LEN_MIN;
            let is_coded_otherwise = files.get(number).is_some_and(|file| {
                file.footer.is_none() || file.coding.encryption != self.options.coding.encryption
            });
            is_sparse || is_coded_otherwise || erased.contains(number)
        };
        let sealed =
            ledger.blocks.iter().filter(|block| matches!(block.phase, Phase::Sealed) && block.messages > 0);
        sealed
            .map(|block| block.number)
            .find(|number| !left_alone.contains(number) && !self.has_losses(*number) && is_worth_it(number))
    }

    /// Rewrites a block. One of which a message cannot be read is left as it is.
    pub(super) async fn rewrite(&self, store: &Store<D>, number: BlockNumber) -> Result<(), StoreError> {
        // Whatever is to be erased from here on is put down again, and the block rewritten again.
        self.to_be_erased.borrow_mut().retain(|erased| *erased != number);
        let done = self.try_rewrite(store, number).await;
        if !matches!(done, Ok(true)) {
            self.left_alone.borrow_mut().push(number);
        }
        done.map(drop)
    }

    async fn try_rewrite(&self, store: &Store<D>, number: BlockNumber) -> Result<bool, StoreError> {
        let Some(plan) = store.with(|ledger| ledger.plan_rewrite(number, store.0.commits.latest())) else {
            return Ok(false);
        };
        let name = BlockName { number, salt: self.engine.random() };
        let (path, new_path) = (name.path(&self.options.folder), name.path_of_new(&self.options.folder));
        let new = NewBlock {
            number,
            generation: plan.generation + 1,
            salt: name.salt,
            first: plan.first,
            absorbed_below: plan.absorbed_below,
            created: plan.last_timestamp.unwrap_or(Timestamp(0)),
        };
        let coding = self.options.coding;
        let head =
            new_head(&self.engine, self.options.stream, coding, self.options.key.as_deref(), new, &path)?;
        let encoder = FrameEncoder::new(coding.compression, head.sealer);
        let mut writer = Rewriter::new(head.header.encode(), encoder, &plan, name.salt);
        if !self.copy_messages(store, &plan, &mut writer).await? {
            return Ok(false);
        }
        let whole = writer.finish(&plan);
        // What is left out must be deleted for good before it is gone for good.
        store.committed(plan.commit).await?;
        let disk = self.engine.disk();
        let file = disk.open(&new_path, Open::CreateNew).await?;
        file.write_at(0, &whole.bytes).await?;
        file.sync().await?;
        disk.rename(&new_path, &path).await?;
        disk.sync_folder(&self.options.folder).await?;
        let new_file = BlockFile {
            path,
            salt: name.salt,
            coding,
            cipher: head.cipher,
            writer: None,
            footer: Some(whole.footer),
            allocated: whole.footer.file_len,
        };
        let is_still_there = store.with(|ledger| ledger.replace(&plan, new, &whole.summary, whole.spans));
        let old =
            if is_still_there { self.files.borrow_mut().insert(number, new_file) } else { Some(new_file) };
        if let Some(old) = old {
            self.engine.forget_file(&old.path);
            disk.remove(&old.path).await?;
            disk.sync_folder(&self.options.folder).await?;
        }
        Ok(true)
    }

    /// Copies what is left; `false` where some of it cannot be read, or the block is gone.
    async fn copy_messages(
        &self,
        store: &Store<D>,
        plan: &Plan,
        writer: &mut Rewriter,
    ) -> Result<bool, StoreError> {
        let mut copied = 0;
        for place in 0..plan.spans {
            let at = SpanPlace { block: plan.number, generation: plan.generation, place };
            let Some(content) = self.span(store, at, true).await? else { return Ok(false) };
            if let Some(salt) = plan.sources_salt {
                let Some(told) = sources_in(&content, salt) else { return Ok(false) };
                writer.sources.then(&told);
            }
            for &(seq, at) in &content.records {
                if seq < plan.first || seq > plan.last || plan.gone.contains(seq) {
                    continue;
                }
                let record = Record::decode_unchecked(&content.bytes[at as usize..]);
                writer.push(&record.expect("a span's records were checked when it was read"));
                copied += 1;
            }
            yield_now().await;
        }
        let expected = (plan.last + 1 - plan.first) - plan.gone.len();
        Ok(copied == expected)
    }
}

impl Ledger {
    fn plan_rewrite(&self, number: BlockNumber, commit: CommitNumber) -> Option<Plan> {
        let block = self.block(number).filter(|block| matches!(block.phase, Phase::Sealed))?;
        let mut tombstones = block.tombstones.clone();
        tombstones.remove_below(self.low());
        for other in self.blocks.iter().take_while(|other| other.number < number) {
            if other.first <= other.last && other.absorbed_below > number {
                tombstones.remove_range(other.first..=other.last);
            }
        }
        Some(Plan {
            number,
            generation: block.generation,
            first: block.first,
            last: block.last,
            last_timestamp: block.last_timestamp,
            gone: block.gone.clone(),
            tombstones,
            low: self.low().min(block.last + 1),
            absorbed_below: self.active().number,
            spans: block.spans.len(),
            sources_salt: self.sources.are_told_of().then_some(block.salt),
            commit,
        })
    }

    /// Puts the rewritten block in the old one's place, if that is still there.
    fn replace(&mut self, plan: &Plan, new: NewBlock, summary: &Summary, spans: Spans) -> bool {
        let Some(block) = self.block_mut(plan.number).filter(|block| block.generation == plan.generation)
        else {
            return false;
        };
        block.generation = new.generation;
        block.salt = new.salt;
        block.absorbed_below = new.absorbed_below;
        block.tombstones = plan.tombstones.clone();
        block.spans = spans;
        block.plain_len = summary.plain_len;
        true
    }
}

/// A block's file as it is put together.
struct Rewriter {
    bytes: Vec<u8>,
    encoder: FrameEncoder,
    salt: u64,
    /// Entries that are not in a frame yet, and where they begin among all.
    plain: Vec<u8>,
    at: u32,
    frames: u32,
    /// The span that is being filled.
    span: Option<Span>,
    spans: Spans,
    summarizer: Summarizer,
    /// What the block tells of sources, in one entry for all.
    sources: ToldSources,
    next_delta: u32,
    first: u64,
}

struct Rewritten {
    bytes: Vec<u8>,
    footer: crate::store::file::FooterPlace,
    summary: Summary,
    spans: Spans,
}

impl Rewriter {
    fn new(head: Vec<u8>, encoder: FrameEncoder, plan: &Plan, salt: u64) -> Self {
        assert_eq!(head.len(), HEAD_LEN, "the head of a block");
        let opening = Opening { first: plan.first, absorbed_below: plan.absorbed_below, salt };
        let mut writer = Self {
            bytes: head,
            encoder,
            salt,
            plain: Vec::new(),
            at: 0,
            frames: 0,
            span: None,
            spans: Spans::default(),
            summarizer: Summarizer::new(opening),
            sources: ToldSources::default(),
            next_delta: 0,
            first: plan.first,
        };
        if !plan.tombstones.is_empty() {
            encode_deleted_set(&plan.tombstones, salt, &mut writer.plain);
        }
        writer
    }

    fn push(&mut self, record: &Record<'_>) {
        record.encode(self.salt, &mut self.plain);
        self.next_delta = (record.seq - self.first) as u32 + 1;
        if self.plain.len() >= FRAME_LEN_MIN as usize {
            self.close_frame(false);
        }
    }

    fn close_frame(&mut self, is_last: bool) {
        for entry in Entries::new(&self.plain, self.salt) {
            let (at, len, entry) = entry.expect("these entries were encoded just now");
            self.summarizer
                .entry(self.at + at as u32, len as u32, &entry)
                .expect("messages come in their order");
            if let Entry::Record(record) = entry {
                let delta = (record.seq - self.first) as u32;
                self.span.get_or_insert(Span { delta, at: self.at, len: 0, offset: 0, disk_len: 0 });
            }
        }
        let offset = self.bytes.len() as u64;
        let fields =
            FrameFields { kind: FrameKind::Entries, is_last, commit: 1, index: self.frames, at: self.at };
        self.encoder.encode(fields, &self.plain, self.salt, offset, &mut self.bytes);
        let len = self.plain.len() as u32;
        let delta = self.next_delta;
        let span = self.span.get_or_insert(Span { delta, at: self.at, len: 0, offset: 0, disk_len: 0 });
        if span.len == 0 {
            span.at = self.at;
            span.offset = offset as u32;
        }
        span.len += len;
        span.disk_len = self.bytes.len() as u32 - span.offset;
        if span.len >= SPAN_LEN_MIN || is_last {
            let span = self.span.take().expect("it was filled just now");
            self.spans.push(span).expect("spans are made one behind another");
        }
        self.at += len;
        self.frames += 1;
        self.plain.clear();
    }

    fn finish(mut self, plan: &Plan) -> Rewritten {
        let timestamp = plan.last_timestamp.unwrap_or(Timestamp(0));
        if !self.sources.is_nothing() {
            encode_sources(&self.sources, self.salt, &mut self.plain);
        }
        Control::Bounds { first: plan.low, last: plan.last, timestamp }.encode(self.salt, &mut self.plain);
        self.close_frame(true);
        let (summary, rows): (Summary, Vec<Row>) = self.summarizer.finish();
        let offset = self.bytes.len().next_multiple_of(PAGE_SIZE);
        self.bytes.resize(offset, 0);
        let place = (self.salt, offset as u64, 2);
        let footer = Footer::encode(&mut self.encoder, (&summary, &rows, &self.spans), place);
        self.bytes.extend_from_slice(&footer.bytes);
        Rewritten { bytes: self.bytes, footer: footer.place, summary, spans: self.spans }
    }
}

/// What the entries between a span's records tell of sources. `None` where one of them cannot be read.
fn sources_in(content: &SpanContent, salt: u64) -> Option<ToldSources> {
    let mut told = ToldSources::default();
    let mut hear = |from: usize, to: usize| {
        for entry in Entries::new(content.bytes.get(from..to)?, salt) {
            if let (.., Entry::Sources(more)) = entry.ok()? {
                told.then(&more);
            }
        }
        Some(())
    };
    let mut from = 0;
    for &(_, at) in &content.records {
        let at = at as usize;
        hear(from, at)?;
        from = at + Record::decode_unchecked(&content.bytes[at..]).ok()?.encoded_len();
    }
    hear(from, content.bytes.len())?;
    Some(told)
}

/// A block with fewer bytes of entries is not worth a rewrite.
const REWRITE_LEN_MIN: u32 = 64 << 10;
