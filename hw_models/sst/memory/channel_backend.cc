#include "channel_backend.h"

#include <algorithm>
#include <cmath>

#include "index_event.h"

namespace moecosim {

static constexpr uint64_t FINE = 1024;  // per ps

static uint64_t picoseconds(const std::string& time) {
    return uint64_t((SST::UnitAlgebra(time) / SST::UnitAlgebra("1ps")).getRoundedValue());
}

ChannelBackend::ChannelBackend(SST::ComponentId_t id, SST::Params& params)
    : LineBackend(id, params), ps_(getTimeConverter("1ps")) {
    const std::string name = getName();
    const SST::UnitAlgebra bandwidth(params.find<std::string>("bandwidth", "0B/s"));
    const auto channels = params.find<uint32_t>("channels", 1);
    interleave_bytes_ = params.find<uint64_t>("interleave_bytes", 256);
    page_bytes_ = params.find<uint64_t>("page_bytes", 0);
    const SST::UnitAlgebra latency(params.find<std::string>("latency", "0ps"));
    const SST::UnitAlgebra write_latency(params.find<std::string>("write_latency", latency.toString()));
    const SST::UnitAlgebra row_miss(params.find<std::string>("row_miss", "0ps"));
    row_bytes_ = params.find<uint64_t>("row_bytes", 0);
    const auto banks = params.find<uint32_t>("banks", 1);
    const auto arbitration = params.find<std::string>("arbitration", "fair");
    if (!bandwidth.hasUnits("B/s") || bandwidth.getDoubleValue() <= 0)
        output->fatal(CALL_INFO, 1, "%s: parameter 'bandwidth' must be positive, in B/s\n", name.c_str());
    if (channels < 1 || interleave_bytes_ < 1 || banks < 1)
        output->fatal(CALL_INFO, 1, "%s: 'channels', 'interleave_bytes' and 'banks' must be at least 1\n", name.c_str());
    if (!latency.hasUnits("s") || !write_latency.hasUnits("s") || !row_miss.hasUnits("s"))
        output->fatal(CALL_INFO, 1, "%s: 'latency', 'write_latency' and 'row_miss' must be times\n", name.c_str());
    if (page_bytes_ > 0 && interleave_bytes_ % page_bytes_ != 0)
        output->fatal(CALL_INFO, 1, "%s: 'interleave_bytes' must be whole pages\n", name.c_str());
    if (arbitration != "fair" && arbitration != "fifo")
        output->fatal(CALL_INFO, 1, "%s: 'arbitration' is '%s', must be 'fair' or 'fifo'\n", name.c_str(),
                      arbitration.c_str());
    std::vector<double> block{1}, read{1}, write{1};
    for (auto [array, values] : {std::pair("efficiency_block_bytes", &block), std::pair("efficiency_read", &read),
                                 std::pair("efficiency_write", &write)}) {
        if (!params.contains(array)) continue;
        values->clear();
        params.find_array<double>(array, *values);
    }
    const std::string wrong = efficiency_.set(block, read, write);
    if (!wrong.empty()) output->fatal(CALL_INFO, 1, "%s: %s\n", name.c_str(), wrong.c_str());

    is_fair_ = arbitration == "fair";
    latency_ps_ = picoseconds(latency.toString());
    write_latency_ps_ = picoseconds(write_latency.toString());
    row_miss_ = picoseconds(row_miss.toString()) * FINE;
    fine_per_byte_ = 1e12 * FINE * channels / bandwidth.getDoubleValue();
    channels_.resize(channels);
    if (row_bytes_ > 0)
        for (Channel& channel : channels_) channel.banks.resize(banks);

    answers_ = configureSelfLink("answers", ps_,
                                 new SST::Event::Handler<ChannelBackend, &ChannelBackend::answer>(this));
    wakes_ = configureSelfLink("wakes", ps_, new SST::Event::Handler<ChannelBackend, &ChannelBackend::wake>(this));
    requests_statistic_ = registerStatistic<uint64_t>("requests");
    read_statistic_ = registerStatistic<uint64_t>("read_bytes");
    written_statistic_ = registerStatistic<uint64_t>("written_bytes");
    row_misses_statistic_ = registerStatistic<uint64_t>("row_misses");
    busy_statistic_ = registerStatistic<uint64_t>("busy_time");
}

void ChannelBackend::accept(const Request& request) {
    const uint64_t end = request.address + std::max<uint64_t>(request.bytes, 1);
    const uint64_t first_block = request.address / interleave_bytes_;
    const uint64_t last_block = (end - 1) / interleave_bytes_;
    const uint32_t slot = new_pending(request, uint32_t(last_block - first_block + 1));
    const Rates& rate = rates(request.block_bytes);
    const double fine_per_byte = request.is_write ? rate.write : rate.read;
    const uint32_t stream = is_fair_ ? dense_stream(request) : 0;
    const Fine arrival = now();
    ++requests_;
    (request.is_write ? written_bytes_ : read_bytes_) += request.bytes;

    uint64_t address = request.address;
    for (uint64_t block = first_block; block <= last_block; ++block) {
        const uint64_t until = std::min(end, (block + 1) * interleave_bytes_);
        const auto bytes = double(in_pages(address, std::min(address + request.bytes, until)));
        const Piece piece{address, arrival, Fine(std::llround(bytes * fine_per_byte)), slot};
        // What is written to pages goes to any die, here to each in turn.
        const bool anywhere = page_bytes_ > 0 && request.is_write;
        const auto index = uint32_t((anywhere ? written_pages_++ : block) % channels_.size());
        Channel& channel = channels_[index];
        if (!is_fair_ || (channel.waiting.empty() && channel.free <= arrival)) {
            transfer(channel, piece);
        } else {
            channel.waiting.push(stream, piece);
            if (!channel.will_wake) serve(index);
        }
        address = until;
    }
}

// Serves what waits until the channel is busy, then sleeps until it is free again.
void ChannelBackend::serve(uint32_t index) {
    Channel& channel = channels_[index];
    const Fine time = now();
    while (!channel.waiting.empty() && channel.free <= time) transfer(channel, channel.waiting.pop());
    channel.will_wake = !channel.waiting.empty();
    if (channel.will_wake) wakes_->send((channel.free - time + FINE - 1) / FINE, new IndexEvent(index));
}

void ChannelBackend::transfer(Channel& channel, const Piece& piece) {
    Bank* bank = nullptr;
    Fine start = std::max(channel.free, piece.arrival);
    if (row_bytes_ > 0) start = std::max(start, bank_ready(channel, piece, bank));
    channel.free = start + piece.duration;
    if (bank != nullptr) bank->free = channel.free;
    busy_ += piece.duration;

    Pending& pending = pending_[piece.pending];
    pending.last_end = std::max(pending.last_end, page_bytes_ > 0 ? sensed(piece, pending, start) : channel.free);
    if (--pending.pieces == 0) {
        const Fine wait = pending.last_end - std::min(pending.last_end, now());
        const uint64_t latency_ps = pending.is_write ? write_latency_ps_ : latency_ps_;
        answers_->send((wait + FINE / 2) / FINE + latency_ps, new IndexEvent(piece.pending));
    }
}

// Bytes of [begin, end), or of the pages that it touches.
uint64_t ChannelBackend::in_pages(uint64_t begin, uint64_t end) const {
    if (page_bytes_ == 0) return end - begin;
    return (end + page_bytes_ - 1) / page_bytes_ * page_bytes_ - begin / page_bytes_ * page_bytes_;
}

// From when the latency of a page counts, which holds the time that the page keeps its die busy: a read is answered
// no earlier than that is over, a write is in the drive's buffer before.
ChannelBackend::Fine ChannelBackend::sensed(const Piece& piece, const Pending& pending, Fine start) const {
    const Fine latency = latency_ps_ * FINE;
    return pending.is_write || piece.duration <= latency ? start : start + piece.duration - latency;
}

// When the piece's bank has its row open. Rows of different banks open side by side.
ChannelBackend::Fine ChannelBackend::bank_ready(Channel& channel, const Piece& piece, Bank*& bank) {
    const uint64_t stripe = interleave_bytes_ * channels_.size();
    const uint64_t inside = piece.address / stripe * interleave_bytes_ + piece.address % interleave_bytes_;
    const uint64_t row = inside / row_bytes_;
    bank = &channel.banks[row % channel.banks.size()];
    if (bank->row == row) return 0;
    bank->row = row;
    ++row_misses_;
    return std::max(bank->free, piece.arrival) + row_miss_;
}

ChannelBackend::Fine ChannelBackend::now() { return getCurrentSimTime(ps_) * FINE; }

uint32_t ChannelBackend::new_pending(const Request& request, uint32_t pieces) {
    if (free_pending_.empty()) {
        pending_.push_back({request.id, 0, pieces, request.is_write});
        return uint32_t(pending_.size() - 1);
    }
    const uint32_t slot = free_pending_.back();
    free_pending_.pop_back();
    pending_[slot] = {request.id, 0, pieces, request.is_write};
    return slot;
}

const ChannelBackend::Rates& ChannelBackend::rates(uint64_t block_bytes) {
    const auto found = rates_.find(block_bytes);
    if (found != rates_.end()) return found->second;
    const Rates rate{fine_per_byte_ / efficiency_.share(block_bytes, false),
                     fine_per_byte_ / efficiency_.share(block_bytes, true)};
    return rates_.emplace(block_bytes, rate).first->second;
}

// A copy inside one memory takes two turns, one to read and one to write: else it would move half as
// fast as the streams beside it.
uint32_t ChannelBackend::dense_stream(const Request& request) {
    const uint64_t key = uint64_t(request.stream) * 2 + (request.is_write ? 1 : 0);
    return streams_.emplace(key, uint32_t(streams_.size())).first->second;
}

void ChannelBackend::wake(SST::Event* event) {
    serve(static_cast<IndexEvent*>(event)->index);
    delete event;
}

void ChannelBackend::answer(SST::Event* event) {
    const uint32_t slot = static_cast<IndexEvent*>(event)->index;
    delete event;
    const ReqId id = pending_[slot].id;
    free_pending_.push_back(slot);
    handleMemResponse(id);
}

void ChannelBackend::finish() {
    requests_statistic_->addData(requests_);
    read_statistic_->addData(read_bytes_);
    written_statistic_->addData(written_bytes_);
    row_misses_statistic_->addData(row_misses_);
    busy_statistic_->addData(busy_ / FINE);
}

}  // namespace moecosim
