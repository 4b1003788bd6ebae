#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <tuple>

#include "index_event.h"
#include "signal_event.h"
#include "stream_core.h"

// What a StreamCore does during the run. Its beginning and end are in stream_core.cc.

namespace moecosim {

// -- lanes ------------------------------------------------------------------------------------

void StreamCore::ring_in(uint32_t lane, uint64_t delay_ps, Due due) {
    lanes_[lane].due = due;
    timer_->send(delay_ps, new IndexEvent(lane));
}

void StreamCore::on_timer(SST::Event* event) {
    const uint32_t lane = static_cast<IndexEvent*>(event)->index;
    delete event;
    if (lanes_[lane].due == Due::open_flows) {
        open_flows(lane);
        return;
    }
    // Before its first event a lane has nothing to end.
    const uint64_t at = lanes_[lane].next_event;
    if (at < lanes_[lane].last_event && timeline_[at].start_ps >= 0) end_event(lane, at);
    ready_.push_back(lane);
    run_ready();
}

void StreamCore::run_ready() {
    while (!ready_.empty()) {
        const uint32_t lane = ready_.back();
        ready_.pop_back();
        run(lane);
    }
    end_if_all_done();
}

// Events of the lane up to the first that does not end at once.
void StreamCore::run(uint32_t lane) {
    while (lanes_[lane].next_event < lanes_[lane].last_event) {
        const uint64_t event = lanes_[lane].next_event;
        timeline_[event].start_ps = int64_t(now());
        if (!begin(lane, event)) return;
        end_event(lane, event);
    }
}

// Whether the event is over at once.
bool StreamCore::begin(uint32_t lane, uint64_t at) {
    const std::string wrong = file_.check_event(at);
    if (!wrong.empty()) refuse(wrong);
    const EventRecord& event = file_.event(at);
    switch (event.kind) {
        case Kind::signal:
            signal(lane, event.token);
            return true;
        case Kind::wait:
            return pass_wait(lane, event);
        case Kind::stream:
        case Kind::copy:
            if (event.accesses > 0) {
                if (event.setup_ps > 0)
                    ring_in(lane, event.setup_ps, Due::open_flows);
                else
                    open_flows(lane);
                return false;
            }
            [[fallthrough]];
        case Kind::compute:
            if (event.setup_ps + event.busy_ps == 0) return true;
            ring_in(lane, event.setup_ps + event.busy_ps, Due::end_event);
            return false;
    }
    return true;
}

void StreamCore::end_event(uint32_t lane, uint64_t event) {
    finish_ps_ = now();
    timeline_[event].end_ps = int64_t(finish_ps_);
    ++lanes_[lane].next_event;
    ++ended_;
    if (progress_events_ > 0 && ended_ % progress_events_ == 0) {
        std::printf("moecosim progress %s %" PRIu64 " %" PRIu64 "\n", getName().c_str(), ended_,
                    file_.header().events);
        std::fflush(stdout);
    }
}

void StreamCore::end_if_all_done() {
    if (ended_ == file_.header().events && !is_done_) {
        is_done_ = true;
        primaryComponentOKToEndSim();
    }
}

// -- traffic ----------------------------------------------------------------------------------

void StreamCore::on_wake(SST::Event* event) {
    const uint32_t wake = static_cast<IndexEvent*>(event)->index;
    const uint32_t number = Way::number_of(wake);
    delete event;
    Way& way = number == 0 ? remote_ : peers_[number - 1];
    way.wake(Way::direction_of(wake), now());
}

Way* StreamCore::way_to(uint64_t address) {
    Way* way = is_local(address) ? &local_ : &remote_;
    if (way->memory() == nullptr) {
        char text[96];
        std::snprintf(text, sizeof text, "address 0x%" PRIx64 " is behind slot '%s', which is empty", address,
                      is_local(address) ? "local" : "remote");
        refuse(text);
    }
    return way;
}

static bool holds(const std::pair<uint64_t, uint64_t>& range, uint64_t address) {
    return address >= range.first && address < range.second;
}

bool StreamCore::is_local(uint64_t address) const {
    return std::any_of(local_ranges_.begin(), local_ranges_.end(),
                       [address](const auto& range) { return holds(range, address); });
}

// Numbers of the peer ranges that have the two addresses and are on one fabric; their count twice where none are.
std::pair<size_t, size_t> StreamCore::peers_of(uint64_t source, uint64_t target) const {
    const size_t count = peer_ranges_.size();
    for (size_t from = 0; from < count; ++from) {
        if (!holds(peer_ranges_[from], source) || holds(peer_ranges_[from], target)) continue;
        for (size_t to = 0; to < count; ++to)
            if (peer_fabrics_[to] == peer_fabrics_[from] && holds(peer_ranges_[to], target)) return {from, to};
    }
    return {count, count};
}

// Between two peers, the way of the one that is the device's own (of two, the one beside the unit); all
// else as streams go.
std::pair<Way*, Way*> StreamCore::ways_of_copy(uint32_t unit, uint64_t source, uint64_t target) {
    const auto [from, to] = peers_of(source, target);
    if (from < peer_ranges_.size()) {
        const bool is_pull = peer_ways_[to] != nullptr &&
                             std::find(beside_.begin(), beside_.end(), std::make_pair(unit, to)) != beside_.end();
        if (peer_ways_[from] != nullptr && !is_pull) return {way_to(source), peer_ways_[from]};
        if (peer_ways_[to] != nullptr) return {peer_ways_[to], way_to(target)};
    }
    return {way_to(source), way_to(target)};
}

// All flows of the lane's event start together. Of a kernel that stands for several events of the program
// the parts follow each other: each asks for its bytes in the window that those before leave it.
void StreamCore::open_flows(uint32_t lane) {
    const EventRecord& event = file_.event(lanes_[lane].next_event);
    lanes_[lane].flows = 1;  // held until all are open, so that the event cannot end before
    if (event.kind == Kind::stream && event.count > 1) {
        lanes_[lane].next_access = 0;
        go_on(lane);
        return;
    }
    for (const uint32_t slot : open_accesses(lane, event, 0, event.accesses)) send_requests(slot);
    leave_event(lane);
}

// Flows of these accesses. They share the lane's window in proportion to their bytes, so that they end
// together: in whole lines, and rounded up, or a small one would take a turn more than the others. An access of no
// bytes is none.
std::vector<uint32_t> StreamCore::open_accesses(uint32_t lane, const EventRecord& event, uint32_t first, uint32_t end) {
    const uint32_t step = event.kind == Kind::copy ? 2 : 1;
    std::vector<uint32_t> opened;
    uint64_t total = 0;
    for (uint32_t i = first; i < end; i += step) total += file_.access(event.first_access + i).bytes;
    for (uint32_t i = first; i < end; i += step) {
        const uint64_t bytes = file_.access(event.first_access + i).bytes;
        if (bytes == 0) continue;
        const double share = double(lanes_[lane].window_bytes) * (double(bytes) / double(total));
        const auto whole = uint64_t(std::ceil(share / double(line_bytes_))) * line_bytes_;
        opened.push_back(open_flow(lane, event, i, std::min(whole, lanes_[lane].window_bytes)));
    }
    return opened;
}

uint32_t StreamCore::open_flow(uint32_t lane, const EventRecord& event, uint32_t index, uint64_t credit) {
    const bool is_copy = event.kind == Kind::copy;
    const AccessRecord& source = file_.access(event.first_access + index);
    const AccessRecord& target = file_.access(event.first_access + index + (is_copy ? 1 : 0));
    if (free_flows_.empty()) {
        if (flows_.size() == MOST_FLOWS) refuse("more than 2^20 accesses are under way together");
        free_flows_.push_back(uint32_t(flows_.size()));
        flows_.emplace_back();
    }
    const uint32_t slot = free_flows_.back();
    free_flows_.pop_back();
    Way *from, *to;
    if (is_copy)
        std::tie(from, to) = ways_of_copy(lanes_[lane].unit, source.address, target.address);
    else
        from = to = way_to(source.address);
    const bool waits_for_target = is_copy && to->is_arbiter();
    const bool goes_out = source.is_write != 0 || waits_for_target;
    flows_[slot] = {source.address,
                    source.address + source.bytes,
                    target.address - source.address,
                    0,
                    credit,
                    from,
                    to,
                    waits_for_target ? to : from,
                    goes_out ? Way::out : Way::in,
                    lane,
                    source.block_bytes,
                    target.block_bytes,
                    source.is_write != 0,
                    is_copy,
                    event.kind == Kind::stream && event.count > 1};
    ++lanes_[lane].flows;
    return slot;
}

// The next parts of the kernel, as far as the window has room; behind the last the event may end.
void StreamCore::go_on(uint32_t lane) {
    const EventRecord& event = file_.event(lanes_[lane].next_event);
    Lane& on = lanes_[lane];
    while (ask_in_turn(on)) {
        if (on.next_access == event.accesses) {
            ++on.next_access;  // past the end: not here again
            leave_event(lane);
            return;
        }
        const uint32_t first = on.next_access++;
        while (on.next_access < event.accesses && file_.access(event.first_access + on.next_access).begins_part == 0)
            ++on.next_access;
        on.asking = open_accesses(lane, event, first, on.next_access);
        on.turn = 0;
    }
}

// A line of each access of the part in turn, until none may ask. True when all have asked for all.
bool StreamCore::ask_in_turn(Lane& lane) {
    for (size_t refused = 0; refused < lane.asking.size();) {
        if (lane.turn >= lane.asking.size()) lane.turn = 0;
        const uint32_t slot = lane.asking[lane.turn];
        if (!send_request(slot)) {
            ++refused;
            ++lane.turn;
            continue;
        }
        refused = 0;
        if (flows_[slot].next < flows_[slot].end)
            ++lane.turn;
        else
            lane.asking.erase(lane.asking.begin() + lane.turn);
    }
    return lane.asking.empty();
}

void StreamCore::send_requests(uint32_t slot) {
    while (send_request(slot)) {}
}

// The flow's next line; false where it has none, or the window no room.
bool StreamCore::send_request(uint32_t slot) {
    Flow& flow = flows_[slot];
    Lane& lane = lanes_[flow.lane];
    const uint64_t bytes = flow.sendable(line_bytes_);
    if (bytes == 0) return false;
    if (flow.is_part) {
        if (lane.under_way > 0 && lane.under_way + bytes > lane.window_bytes) return false;
        lane.under_way += bytes;
    }
    const uint64_t address = flow.next;
    flow.next += bytes;
    flow.under_way += bytes;
    flow.arbiter->send_in_turn(
        {flow.source, address, bytes, flow.source_block, id_bits_ | slot, id_bits_ | flow.lane, flow.is_write},
        flow.direction, slot, now());
    return true;
}

void StreamCore::on_response(StandardMem::Request* response) {
    response->handle(&reader_);
    delete response;
    const uint32_t slot = reader_.request_id & (MOST_FLOWS - 1);
    Flow& flow = flows_[slot];
    if (flow.is_copy && !reader_.is_write) {
        flow.target->send({flow.target, reader_.address + flow.to_target, reader_.bytes, flow.target_block,
                           reader_.request_id, id_bits_ | flow.lane, true});
        return;
    }
    const uint32_t lane = flow.lane;
    const bool is_part = flow.is_part;
    flow.under_way -= reader_.bytes;
    if (is_part) lanes_[lane].under_way -= reader_.bytes;
    if (flow.next == flow.end && flow.under_way == 0) {
        free_flows_.push_back(slot);
        leave_event(lane);
    } else if (!is_part && flow.next < flow.end) {
        send_requests(slot);
    }
    if (is_part && lanes_[lane].next_access <= file_.event(lanes_[lane].next_event).accesses) go_on(lane);
}

// One flow of the lane's event is over; after the last the event ends, but not before its floor.
void StreamCore::leave_event(uint32_t lane) {
    if (--lanes_[lane].flows > 0) return;
    const uint64_t at = lanes_[lane].next_event;
    const EventRecord& event = file_.event(at);
    const uint64_t floor_ps = uint64_t(timeline_[at].start_ps) + event.setup_ps + event.busy_ps;
    const uint64_t time_ps = now();
    ring_in(lane, floor_ps > time_ps ? floor_ps - time_ps : 0, Due::end_event);
}

// -- signals ----------------------------------------------------------------------------------

void StreamCore::signal(uint32_t lane, uint32_t token) {
    const uint32_t unit = lanes_[lane].unit;
    if (hub_ != nullptr) hub_->send(new SignalEvent(token, unit, now()));
    arrive(token, unit, now());
}

void StreamCore::on_signal(SST::Event* event) {
    const auto* signal = static_cast<SignalEvent*>(event);
    if (signal->token >= file_.header().tokens || signal->unit >= file_.header().units)
        refuse("a signal came that the stream file does not know");
    arrive(signal->token, signal->unit, signal->sent_ps);
    delete event;
    run_ready();
}

void StreamCore::arrive(uint32_t token, uint32_t unit, uint64_t sent_ps) {
    tokens_.signal(token, unit, sent_ps);
    uint32_t lane = tokens_.waiter(token);
    tokens_.waiter(token) = TokenTable::NO_LANE;
    while (lane != TokenTable::NO_LANE) {
        const uint32_t after = lanes_[lane].after;
        const uint64_t at = lanes_[lane].next_event;
        if (pass_wait(lane, file_.event(at))) {
            end_event(lane, at);
            ready_.push_back(lane);
        }
        lane = after;
    }
}

// Whether all signals are here now; else the lane is called when they are.
bool StreamCore::pass_wait(uint32_t lane, const EventRecord& event) {
    if (tokens_.arrived(event.token) < event.count) {
        lanes_[lane].after = tokens_.waiter(event.token);
        tokens_.waiter(event.token) = lane;
        return false;
    }
    const uint64_t latest_ps = tokens_.latest_ps(event.token, lanes_[lane].place);
    if (event.count == 0 || latest_ps <= now()) return true;
    ring_in(lane, latest_ps - now(), Due::end_event);
    return false;
}

}  // namespace moecosim
