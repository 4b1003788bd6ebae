#include "stream_core.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <fstream>

#include "index_event.h"
#include "signal_event.h"

namespace moecosim {

static constexpr uint32_t FLOW_BITS = 20;  // of a request's id; the core's own id has the other 12
static constexpr uint32_t MOST_FLOWS = 1u << FLOW_BITS;

// -- set-up -----------------------------------------------------------------------------------

StreamCore::StreamCore(SST::ComponentId_t component, SST::Params& params)
    : Component(component),
      output_("moecosim: ", 0, 0, SST::Output::STDERR),
      ps_(registerTimeBase("1ps", true)),
      reader_(&output_) {
    timeline_path_ = params.find<std::string>("timeline", "");
    line_bytes_ = params.find<uint64_t>("line_bytes", 64);
    bool has_id = false;
    const auto id = params.find<uint32_t>("id", 0, has_id);
    progress_events_ = params.find<uint64_t>("progress_events", 0);
    const SST::UnitAlgebra hub_delay(params.find<std::string>("hub_delay", "2ps"));
    std::vector<uint64_t> ranges;
    params.find_array<uint64_t>("local_ranges", ranges);
    const auto path = params.find<std::string>("stream", "");
    if (path.empty() || timeline_path_.empty()) refuse("parameters 'stream' and 'timeline' are required");
    if (!has_id || id >> (32 - FLOW_BITS) != 0) refuse("parameter 'id' must be given, 0 to 4095");
    if (line_bytes_ == 0 || (line_bytes_ & (line_bytes_ - 1)) != 0) refuse("'line_bytes' must be a power of two");
    if (!hub_delay.hasUnits("s")) refuse("'hub_delay' must be a time");
    if (ranges.size() % 2 != 0) refuse("'local_ranges' must be pairs of start and end");
    id_bits_ = id << FLOW_BITS;
    hub_delay_ps_ = uint64_t((hub_delay / SST::UnitAlgebra("1ps")).getRoundedValue());
    for (size_t i = 0; i < ranges.size(); i += 2) local_ranges_.emplace_back(ranges[i], ranges[i + 1]);

    const std::string wrong = file_.open(path);
    if (!wrong.empty()) refuse(wrong);
    make_lanes();
    timeline_.assign(file_.header().events, {-1, -1});

    local_ = load_way("local");
    remote_ = load_way("remote");
    hub_ = nullptr;
    if (isPortConnected("hub"))
        hub_ = configureLink("hub", ps_, new SST::Event::Handler<StreamCore, &StreamCore::on_signal>(this));
    timer_ = configureSelfLink("timer", ps_, new SST::Event::Handler<StreamCore, &StreamCore::on_timer>(this));

    finished_statistic_ = registerStatistic<uint64_t>("finished");
    finish_time_statistic_ = registerStatistic<uint64_t>("finish_time");
    events_statistic_ = registerStatistic<uint64_t>("events");
    requests_statistic_ = registerStatistic<uint64_t>("requests");
    read_statistic_ = registerStatistic<uint64_t>("read_bytes");
    written_statistic_ = registerStatistic<uint64_t>("written_bytes");
    registerAsPrimaryComponent();
    primaryComponentDoNotEndSim();
}

void StreamCore::refuse(const std::string& why) {
    output_.fatal(CALL_INFO, 1, "%s: %s\n", getName().c_str(), why.c_str());
    std::abort();  // fatal does not return, but does not say so
}

StreamCore::StandardMem* StreamCore::load_way(const char* slot) {
    // A network interface below, when its buffer is full, tries again at this time base.
    const SST::TimeConverter retry = getTimeConverter("1ns");
    return loadUserSubComponent<StandardMem>(slot, SST::ComponentInfo::SHARE_NONE, retry,
                                             new StandardMem::Handler<StreamCore, &StreamCore::on_response>(this));
}

void StreamCore::make_lanes() {
    std::vector<uint32_t> units;
    for (uint32_t i = 0; i < file_.header().lanes; ++i) {
        const LaneRecord& record = file_.lane(i);
        const auto found = std::find(units.begin(), units.end(), record.unit);
        const auto place = uint32_t(found - units.begin());
        if (found == units.end()) units.push_back(record.unit);
        Lane lane{};
        lane.next_event = record.first_event;
        lane.last_event = record.first_event + record.events;
        lane.window_bytes = record.window_bytes;
        lane.unit = record.unit;
        lane.place = place;
        lane.after = TokenTable::NO_LANE;
        lanes_.push_back(lane);
    }
    for (uint32_t from = 0; from < file_.header().units; ++from)
        for (const uint32_t to : units) {
            const bool is_own = std::find(units.begin(), units.end(), from) != units.end();
            if (!is_own && file_.signal_ps(from, to) < hub_delay_ps_)
                refuse("a signal from unit " + std::to_string(from) + " to unit " + std::to_string(to) +
                       " takes less than 'hub_delay'");
        }
    tokens_.set(file_, std::move(units));
}

void StreamCore::init(unsigned phase) {
    if (local_ != nullptr) local_->init(phase);
    if (remote_ != nullptr) remote_->init(phase);
}

void StreamCore::setup() {
    if (local_ != nullptr) local_->setup();
    if (remote_ != nullptr) remote_->setup();
    for (uint32_t lane = 0; lane < lanes_.size(); ++lane) ring_in(lane, 0, Due::end_event);
}

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
    check_event(at);
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

void StreamCore::check_event(uint64_t at) {
    const EventRecord& event = file_.event(at);
    const auto number = std::to_string(at);
    if (event.kind > Kind::wait) refuse("event " + number + " is of no known kind");
    if (event.kind >= Kind::signal && event.token >= file_.header().tokens)
        refuse("event " + number + " has a token past the number in the header");
    const bool moves = event.kind == Kind::stream || event.kind == Kind::copy;
    if (moves && uint64_t(event.first_access) + event.accesses > file_.header().accesses)
        refuse("event " + number + " has accesses past the table");
    if (event.kind == Kind::copy && event.accesses % 2 != 0) refuse("event " + number + " is a copy of half a pair");
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

StreamCore::StandardMem* StreamCore::way_to(uint64_t address) {
    const bool is_local = std::any_of(local_ranges_.begin(), local_ranges_.end(), [address](const auto& range) {
        return address >= range.first && address < range.second;
    });
    StandardMem* way = is_local ? local_ : remote_;
    if (way == nullptr) {
        char text[96];
        std::snprintf(text, sizeof text, "address 0x%" PRIx64 " is behind slot '%s', which is empty", address,
                      is_local ? "local" : "remote");
        refuse(text);
    }
    return way;
}

// All flows of the lane's event start together; what is empty is over at once.
void StreamCore::open_flows(uint32_t lane) {
    const EventRecord& event = file_.event(lanes_[lane].next_event);
    const bool is_copy = event.kind == Kind::copy;
    const uint32_t step = is_copy ? 2 : 1;
    const uint64_t credit = lanes_[lane].window_bytes / (event.accesses / step);
    lanes_[lane].flows = 1;  // held until all are open, so that the event cannot end before
    for (uint32_t i = 0; i < event.accesses; i += step) {
        const AccessRecord& source = file_.access(event.first_access + i);
        const AccessRecord& target = file_.access(event.first_access + i + step - 1);
        if (source.bytes == 0) continue;
        if (free_flows_.empty()) {
            if (flows_.size() == MOST_FLOWS) refuse("more than 2^20 accesses are under way together");
            free_flows_.push_back(uint32_t(flows_.size()));
            flows_.emplace_back();
        }
        const uint32_t slot = free_flows_.back();
        free_flows_.pop_back();
        flows_[slot] = {source.address,
                        source.address + source.bytes,
                        target.address - source.address,
                        0,
                        credit,
                        way_to(source.address),
                        way_to(target.address),
                        lane,
                        source.block_bytes,
                        target.block_bytes,
                        source.is_write != 0,
                        is_copy};
        ++lanes_[lane].flows;
        send_requests(slot);
    }
    leave_event(lane);
}

void StreamCore::send_requests(uint32_t slot) {
    Flow& flow = flows_[slot];
    while (flow.next < flow.end) {
        const uint64_t bytes = flow.sendable(line_bytes_);
        if (bytes == 0) return;
        if (flow.is_write)
            send_write(slot, flow.source, flow.next, bytes, flow.source_block);
        else
            send_read(slot, flow, bytes);
        flow.next += bytes;
        flow.under_way += bytes;
    }
}

static constexpr auto NONCACHEABLE = SST::Interfaces::StandardMem::Request::flags_t(
    SST::Interfaces::StandardMem::Request::Flag::F_NONCACHEABLE);

// The length of the access's blocks travels where a processor would put its instruction pointer.
void StreamCore::send_read(uint32_t slot, const Flow& flow, uint64_t bytes) {
    flow.source->send(new StandardMem::Read(flow.next, bytes, NONCACHEABLE, 0, flow.source_block, id_bits_ | slot));
    ++requests_;
    read_bytes_ += bytes;
}

void StreamCore::send_write(uint32_t slot, StandardMem* to, uint64_t address, uint64_t bytes, uint32_t block) {
    // No data: the interface puts zeros of the right length in their place.
    to->send(new StandardMem::Write(address, bytes, {}, false, NONCACHEABLE, 0, block, id_bits_ | slot));
    ++requests_;
    written_bytes_ += bytes;
}

void StreamCore::on_response(StandardMem::Request* response) {
    response->handle(&reader_);
    delete response;
    const uint32_t slot = reader_.request_id & (MOST_FLOWS - 1);
    Flow& flow = flows_[slot];
    if (flow.is_copy && !reader_.is_write) {
        send_write(slot, flow.target, reader_.address + flow.to_target, reader_.bytes, flow.target_block);
        return;
    }
    flow.under_way -= reader_.bytes;
    if (flow.next < flow.end) {
        send_requests(slot);
    } else if (flow.under_way == 0) {
        const uint32_t lane = flow.lane;
        free_flows_.push_back(slot);
        leave_event(lane);
    }
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

// -- the end ----------------------------------------------------------------------------------

void StreamCore::complete(unsigned phase) {
    if (local_ != nullptr) local_->complete(phase);
    if (remote_ != nullptr) remote_->complete(phase);
}

void StreamCore::finish() {
    if (local_ != nullptr) local_->finish();
    if (remote_ != nullptr) remote_->finish();
    const bool is_done = ended_ == file_.header().events;
    finished_statistic_->addData(is_done ? 1 : 0);
    finish_time_statistic_->addData(finish_ps_);
    events_statistic_->addData(ended_);
    requests_statistic_->addData(requests_);
    read_statistic_->addData(read_bytes_);
    written_statistic_->addData(written_bytes_);
    write_timeline();
    if (is_done) return;
    for (uint32_t lane = 0; lane < lanes_.size(); ++lane)
        if (lanes_[lane].next_event < lanes_[lane].last_event)
            std::printf("moecosim stuck %s: %s\n", getName().c_str(), standing(lane).c_str());
    std::fflush(stdout);
}

void StreamCore::write_timeline() {
    std::ofstream file(timeline_path_, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(timeline_.data()),
               std::streamsize(timeline_.size() * sizeof(TimelineRecord)));
    file.close();
    if (!file) refuse("cannot write '" + timeline_path_ + "': " + std::strerror(errno));
}

std::string StreamCore::standing(uint32_t index) {
    static constexpr const char* NAMES[] = {"compute", "stream", "copy", "signal", "wait"};
    const Lane& lane = lanes_[index];
    const LaneRecord& record = file_.lane(index);
    const EventRecord& event = file_.event(lane.next_event);
    char text[192];
    std::snprintf(text, sizeof text, "lane %" PRIu32 " (unit %" PRIu32 ") at event %" PRIu64 " of %" PRIu64 ": %s",
                  record.lane, record.unit, lane.next_event - record.first_event, record.events,
                  event.kind <= Kind::wait ? NAMES[int(event.kind)] : "unknown");
    std::string result = text;
    if (event.kind == Kind::wait)
        result += ", token " + std::to_string(event.token) + ", " + std::to_string(tokens_.arrived(event.token)) +
                  " of " + std::to_string(event.count) + " signals";
    if (event.kind == Kind::stream || event.kind == Kind::copy)
        result += ", " + std::to_string(lane.flows) + " accesses under way";
    return result;
}

void StreamCore::printStatus(SST::Output& out) {
    out.output("%s: %" PRIu64 " of %" PRIu64 " events ended\n", getName().c_str(), ended_, file_.header().events);
    for (uint32_t lane = 0; lane < lanes_.size(); ++lane)
        if (lanes_[lane].next_event < lanes_[lane].last_event) out.output("  %s\n", standing(lane).c_str());
}

}  // namespace moecosim
