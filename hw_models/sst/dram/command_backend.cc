#include "command_backend.h"

#include <algorithm>
#include <cmath>

#include "index_event.h"

namespace moecosim {

static double picoseconds(const SST::UnitAlgebra& time) { return (time / SST::UnitAlgebra("1ps")).getDoubleValue(); }

CommandBackend::CommandBackend(SST::ComponentId_t id, SST::Params& params)
    : LineBackend(id, params), ps_(getTimeConverter("1ps")) {
    const std::string name = getName();
    const auto channels = params.find<uint32_t>("channels", 1);
    interleave_bytes_ = params.find<uint64_t>("interleave_bytes", 256);
    const SST::UnitAlgebra latency(params.find<std::string>("latency", "0ps"));
    const SST::UnitAlgebra period(params.find<std::string>("clock_period", "0ps"));
    const auto arbitration = params.find<std::string>("arbitration", "fair");
    if (!latency.hasUnits("s") || !period.hasUnits("s") || picoseconds(period) <= 1)
        output->fatal(CALL_INFO, 1, "%s: 'latency' and 'clock_period' must be times\n", name.c_str());
    if (arbitration != "fair" && arbitration != "fifo")
        output->fatal(CALL_INFO, 1, "%s: 'arbitration' is '%s', must be 'fair' or 'fifo'\n", name.c_str(),
                      arbitration.c_str());
    std::string wrong = read_rules(params);
    const double clock_ps = picoseconds(period);
    const double row_opens_ps = clock_ps * (rules_.tRCD + rules_.tCL);
    if (wrong.empty()) wrong = rules_.prepare();
    if (wrong.empty())
        wrong = address_.set(params.find<std::string>("mapping", ""), params.find<bool>("mixes_columns", false), rules_);
    if (wrong.empty() && (channels < 1 || interleave_bytes_ < rules_.access_bytes ||
                          interleave_bytes_ % rules_.access_bytes != 0))
        wrong = "'channels' must be at least 1 and 'interleave_bytes' a multiple of 'access_bytes'";
    if (!wrong.empty()) output->fatal(CALL_INFO, 1, "%s: %s\n", name.c_str(), wrong.c_str());

    is_fair_ = arbitration == "fair";
    tick_ps_ = clock_ps / rules_.ticks_per_clock;
    write_delay_ps_ = uint64_t(std::llround(picoseconds(latency)));
    read_delay_ps_ = uint64_t(std::llround(std::max(0.0, picoseconds(latency) - row_opens_ps)));
    channels_.reserve(channels);
    for (uint32_t channel = 0; channel < channels; ++channel) channels_.emplace_back(rules_);

    answers_ = configureSelfLink("answers", ps_,
                                 new SST::Event::Handler<CommandBackend, &CommandBackend::answer>(this));
    wakes_ = configureSelfLink("wakes", ps_, new SST::Event::Handler<CommandBackend, &CommandBackend::wake>(this));
    requests_statistic_ = registerStatistic<uint64_t>("requests");
    read_statistic_ = registerStatistic<uint64_t>("read_bytes");
    written_statistic_ = registerStatistic<uint64_t>("written_bytes");
    activates_statistic_ = registerStatistic<uint64_t>("activates");
}

std::string CommandBackend::read_rules(SST::Params& params) {
    DramRules& r = rules_;
    const std::pair<const char*, uint32_t*> counts[] = {
        {"ticks_per_clock", &r.ticks_per_clock}, {"pseudo_channels", &r.pseudo_channels}, {"ranks", &r.ranks},
        {"bank_groups", &r.bank_groups}, {"banks_per_group", &r.banks_per_group}, {"rows", &r.rows},
        {"row_bytes", &r.row_bytes}, {"access_bytes", &r.access_bytes}, {"burst_clocks", &r.burst},
        {"command_buses", &r.command_buses}, {"read_queue", &r.read_queue}, {"write_queue", &r.write_queue},
        {"tCL", &r.tCL}, {"tCWL", &r.tCWL}, {"tRCD", &r.tRCD}, {"tRCD_WR", &r.tRCD_WR}, {"tRP", &r.tRP},
        {"tRPab", &r.tRPab}, {"tRAS", &r.tRAS}, {"tRC", &r.tRC}, {"tCCD_S", &r.tCCD_S}, {"tCCD_L", &r.tCCD_L},
        {"tCCD_S_WR", &r.tCCD_S_WR}, {"tCCD_L_WR", &r.tCCD_L_WR}, {"tCCD_R", &r.tCCD_R}, {"tRRD_S", &r.tRRD_S},
        {"tRRD_L", &r.tRRD_L}, {"tFAW", &r.tFAW}, {"tPPD", &r.tPPD}, {"tWR", &r.tWR}, {"tRTP", &r.tRTP},
        {"tWTR_S", &r.tWTR_S}, {"tWTR_L", &r.tWTR_L}, {"tRTW", &r.tRTW}, {"tRTW_bubble", &r.tRTW_bubble},
        {"tBURST_L", &r.tBURST_L}, {"tCS", &r.tCS}, {"tWCKPST", &r.tWCKPST}, {"tRFC", &r.tRFC}, {"tREFI", &r.tREFI},
        {"tRFCpb", &r.tRFCpb}, {"tREFIpb", &r.tREFIpb}, {"tRREFD", &r.tRREFD}};
    for (const auto& [name, value] : counts) *value = params.find<uint32_t>(name, *value);
    const std::pair<const char*, double*> shares[] = {
        {"activate_clocks", &r.activate_clocks}, {"column_clocks", &r.column_clocks}, {"other_clocks", &r.other_clocks},
        {"drain_from", &r.drain_from}, {"drain_to", &r.drain_to}};
    for (const auto& [name, value] : shares) *value = params.find<double>(name, *value);
    r.is_rank_scope = params.find<bool>("rank_scope", true);
    r.has_data_clock = params.find<bool>("data_clock", false);
    const auto refresh = params.find<std::string>("refresh", "all-bank");
    if (refresh == "all-bank")
        r.refresh = DramRules::Refresh::all_bank;
    else if (refresh == "per-bank")
        r.refresh = DramRules::Refresh::per_bank;
    else if (refresh == "off")
        r.refresh = DramRules::Refresh::off;
    else
        return "'refresh' is '" + refresh + "', must be all-bank, per-bank or off";
    return "";
}

void CommandBackend::accept(const Request& request) {
    ++requests_;
    (request.is_write ? written_bytes_ : read_bytes_) += request.bytes;
    split(new_pending(request.id), request);
}

// A line lies in one channel, or in whole blocks of several.
void CommandBackend::split(uint32_t pending, const Request& request) {
    const uint64_t stripe = interleave_bytes_ * channels_.size();
    const uint64_t end = request.address + std::max<uint64_t>(request.bytes, 1);
    const uint32_t stream = is_fair_ ? dense_stream(request) : 0;
    const uint64_t first_block = request.address / interleave_bytes_, last_block = (end - 1) / interleave_bytes_;
    for (uint64_t block = first_block; block <= last_block; ++block) {
        const uint64_t from = std::max(request.address, block * interleave_bytes_);
        const uint64_t until = std::min(end, (block + 1) * interleave_bytes_);
        const uint64_t inside = from / stripe * interleave_bytes_ + from % interleave_bytes_;
        Piece piece;
        piece.first = inside / rules_.access_bytes;
        piece.accesses = uint32_t((inside + (until - from) - 1) / rules_.access_bytes - piece.first + 1);
        piece.pending = pending;
        piece.is_write = request.is_write;
        pending_[pending].accesses += piece.accesses;
        const auto channel = uint32_t(block % channels_.size());
        channels_[channel].waiting.push(stream, piece);
    }
    for (uint64_t block = first_block; block <= last_block && block < first_block + channels_.size(); ++block)
        serve(uint32_t(block % channels_.size()));
}

void CommandBackend::feed(Channel& channel, Tick time) {
    Piece& piece = channel.entering;
    while (piece.accesses > 0 || !channel.waiting.empty()) {
        if (piece.accesses == 0) piece = channel.waiting.pop();
        if (!channel.controller.has_room(piece.is_write)) return;
        const DramPlace place = address_.place(piece.first++);
        --piece.accesses;
        channel.controller.enqueue(piece.pending, place.bank, place.row, piece.is_write, time);
        if (piece.is_write) count_down(piece.pending, time, write_delay_ps_);
    }
}

// Gives the commands that are due, then sleeps until the next one is.
void CommandBackend::serve(uint32_t index) {
    Channel& channel = channels_[index];
    const Tick time = now();
    Tick next = NEVER;
    while (true) {
        feed(channel, time);
        next = channel.controller.plan(time);
        if (next != time) break;
        DramChannel::Served served;
        if (channel.controller.give(served) && !served.is_write) count_down(served.tag, served.end, read_delay_ps_);
    }
    if (next >= channel.wakes_at) return;
    channel.wakes_at = next;
    const auto at_ps = uint64_t(std::ceil(double(next) * tick_ps_));
    const uint64_t now_ps = getCurrentSimTime(ps_);
    wakes_->send(at_ps > now_ps ? at_ps - now_ps : 1, new IndexEvent(index));
}

void CommandBackend::count_down(uint32_t slot, Tick end, uint64_t delay_ps) {
    Pending& pending = pending_[slot];
    pending.last_end = std::max(pending.last_end, end);
    if (--pending.accesses > 0) return;
    const auto end_ps = uint64_t(std::llround(double(pending.last_end) * tick_ps_));
    const uint64_t now_ps = getCurrentSimTime(ps_);
    answers_->send((end_ps > now_ps ? end_ps - now_ps : 0) + delay_ps, new IndexEvent(slot));
}

// The first tick that has not begun yet, or has within this picosecond.
Tick CommandBackend::now() const {
    const auto now_ps = double(getCurrentSimTime(ps_));
    return now_ps < 1 ? 0 : Tick(std::ceil((now_ps - 1) / tick_ps_));
}

uint32_t CommandBackend::new_pending(ReqId id) {
    if (free_pending_.empty()) {
        pending_.push_back({id, 0, 0});
        return uint32_t(pending_.size() - 1);
    }
    const uint32_t slot = free_pending_.back();
    free_pending_.pop_back();
    pending_[slot] = {id, 0, 0};
    return slot;
}

uint32_t CommandBackend::dense_stream(const Request& request) {
    const uint64_t key = request.lane * 2 + (request.is_write ? 1 : 0);
    return streams_.emplace(key, uint32_t(streams_.size())).first->second;
}

void CommandBackend::wake(SST::Event* event) {
    const uint32_t index = static_cast<IndexEvent*>(event)->index;
    delete event;
    if (channels_[index].wakes_at > now()) return;  // an earlier one was sent since
    channels_[index].wakes_at = NEVER;
    serve(index);
}

void CommandBackend::answer(SST::Event* event) {
    const uint32_t slot = static_cast<IndexEvent*>(event)->index;
    delete event;
    const ReqId id = pending_[slot].id;
    free_pending_.push_back(slot);
    handleMemResponse(id);
}

void CommandBackend::finish() {
    uint64_t activates = 0;
    for (const Channel& channel : channels_) activates += channel.controller.activates();
    requests_statistic_->addData(requests_);
    read_statistic_->addData(read_bytes_);
    written_statistic_->addData(written_bytes_);
    activates_statistic_->addData(activates);
}

}  // namespace moecosim
