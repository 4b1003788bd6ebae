#include "stream_core.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace moecosim {

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
    const SST::UnitAlgebra remote_bandwidth(params.find<std::string>("remote_bandwidth", "0B/s"));
    std::vector<uint64_t> ranges;
    params.find_array<uint64_t>("local_ranges", ranges);
    const auto path = params.find<std::string>("stream", "");
    if (path.empty() || timeline_path_.empty()) refuse("parameters 'stream' and 'timeline' are required");
    if (!has_id || id >> (32 - FLOW_BITS) != 0) refuse("parameter 'id' must be given, 0 to 4095");
    if (line_bytes_ == 0 || (line_bytes_ & (line_bytes_ - 1)) != 0) refuse("'line_bytes' must be a power of two");
    if (!hub_delay.hasUnits("s")) refuse("'hub_delay' must be a time");
    if (!remote_bandwidth.hasUnits("B/s")) refuse("'remote_bandwidth' must be in B/s");
    if (ranges.size() % 2 != 0) refuse("'local_ranges' must be pairs of start and end");
    id_bits_ = id << FLOW_BITS;
    hub_delay_ps_ = uint64_t((hub_delay / SST::UnitAlgebra("1ps")).getRoundedValue());
    for (size_t i = 0; i < ranges.size(); i += 2) local_ranges_.emplace_back(ranges[i], ranges[i + 1]);

    const std::string wrong = file_.open(path);
    if (!wrong.empty()) refuse(wrong);
    make_lanes();
    timeline_.assign(file_.header().events, {-1, -1});

    hub_ = nullptr;
    if (isPortConnected("hub"))
        hub_ = configureLink("hub", ps_, new SST::Event::Handler<StreamCore, &StreamCore::on_signal>(this));
    SST::Link* wakes =
        configureSelfLink("wakes", ps_, new SST::Event::Handler<StreamCore, &StreamCore::on_wake>(this));
    local_.set(load_memory("local"), 0, nullptr, 0);
    remote_.set(load_memory("remote"), remote_bandwidth.getDoubleValue(), wakes, 0);
    load_peers(params, wakes);
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

StreamCore::StandardMem* StreamCore::load_memory(const char* slot) {
    // A network interface below, when its buffer is full, tries again at this time base.
    const SST::TimeConverter retry = getTimeConverter("1ns");
    return loadUserSubComponent<StandardMem>(slot, SST::ComponentInfo::SHARE_NONE, retry,
                                             new StandardMem::Handler<StreamCore, &StreamCore::on_response>(this));
}

void StreamCore::load_peers(SST::Params& params, SST::Link* wakes) {
    std::vector<uint64_t> ranges;
    std::vector<uint32_t> own, units;
    std::vector<std::string> bandwidths;
    params.find_array<uint64_t>("peer_ranges", ranges);
    params.find_array<uint32_t>("peer_fabrics", peer_fabrics_);
    params.find_array<uint32_t>("peer_own", own);
    params.find_array<uint32_t>("peer_units", units);
    params.find_array<std::string>("peer_bandwidths", bandwidths);
    if (ranges.size() != 2 * peer_fabrics_.size())
        refuse("'peer_ranges' must be pairs of start and end, and 'peer_fabrics' have a number for each");
    for (size_t i = 0; i < ranges.size(); i += 2) peer_ranges_.emplace_back(ranges[i], ranges[i + 1]);
    if (units.size() % 2 != 0) refuse("'peer_units' must be pairs of unit and number");
    for (size_t i = 0; i < units.size(); i += 2) beside_.emplace_back(units[i], units[i + 1]);
    if (bandwidths.size() != own.size()) refuse("'peer_bandwidths' needs a rate for each of 'peer_own'");
    peer_ways_.assign(peer_ranges_.size(), nullptr);
    peers_.resize(own.size());
    SST::SubComponentSlotInfo* slots = getSubComponentSlotInfo("peer");
    const SST::TimeConverter retry = getTimeConverter("1ns");
    for (uint32_t i = 0; i < own.size(); ++i) {
        if (own[i] >= peer_ranges_.size() || slots == nullptr || !slots->isPopulated(int(i)))
            refuse("'peer_own' needs a range and a filled slot 'peer' for each of its numbers");
        const SST::UnitAlgebra bandwidth(bandwidths[i]);
        if (!bandwidth.hasUnits("B/s")) refuse("'peer_bandwidths' must be in B/s");
        auto* memory = slots->create<StandardMem>(
            int(i), SST::ComponentInfo::SHARE_NONE, retry,
            new StandardMem::Handler<StreamCore, &StreamCore::on_response>(this));
        peers_[i].set(memory, bandwidth.getDoubleValue(), wakes, i + 1);
        peer_ways_[own[i]] = &peers_[i];
    }
}

// All that lead somewhere.
std::vector<Way*> StreamCore::ways() {
    std::vector<Way*> found;
    for (Way* way : {&local_, &remote_})
        if (way->memory() != nullptr) found.push_back(way);
    for (Way& way : peers_) found.push_back(&way);
    return found;
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
    for (Way* way : ways()) way->memory()->init(phase);
}

void StreamCore::setup() {
    for (Way* way : ways()) way->memory()->setup();
    for (uint32_t lane = 0; lane < lanes_.size(); ++lane) ring_in(lane, 0, Due::end_event);
}

// -- the end ----------------------------------------------------------------------------------

void StreamCore::complete(unsigned phase) {
    for (Way* way : ways()) way->memory()->complete(phase);
}

void StreamCore::finish() {
    for (Way* way : ways()) way->memory()->finish();
    const bool is_done = ended_ == file_.header().events;
    finished_statistic_->addData(is_done ? 1 : 0);
    finish_time_statistic_->addData(finish_ps_);
    events_statistic_->addData(ended_);
    uint64_t requests = 0, read_bytes = 0, written_bytes = 0;
    for (const Way* way : ways()) {
        requests += way->requests();
        read_bytes += way->read_bytes();
        written_bytes += way->written_bytes();
    }
    requests_statistic_->addData(requests);
    read_statistic_->addData(read_bytes);
    written_statistic_->addData(written_bytes);
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
