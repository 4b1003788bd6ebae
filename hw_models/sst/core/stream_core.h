#ifndef MOECOSIM_STREAM_CORE_H
#define MOECOSIM_STREAM_CORE_H

#include <sst/core/component.h>
#include <sst/core/interfaces/stdMem.h>
#include <sst/core/link.h>
#include <sst/core/output.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "flow.h"
#include "response_reader.h"
#include "stream_file.h"
#include "token_table.h"
#include "way.h"

namespace moecosim {

// Replays the event streams of all lanes of one device's units, and records when every event
// started and ended. What the kinds of events mean is written in workloads/programs/program.py.
class StreamCore : public SST::Component {
public:
    SST_ELI_REGISTER_COMPONENT(StreamCore, "moecosim", "StreamCore", SST_ELI_ELEMENT_VERSION(1, 0, 0),
                               "Replays the event streams of one device and records a timeline",
                               COMPONENT_CATEGORY_PROCESSOR)
    SST_ELI_DOCUMENT_PARAMS(
        {"stream", "(string) Path of the stream file to replay", NULL},
        {"timeline", "(string) Path of the timeline file to write at the end", NULL},
        {"id", "(uint) 0 to 4095, different for every StreamCore of a graph", NULL},
        {"line_bytes", "(uint) Largest request, a power of two; requests end at its multiples", "64"},
        {"local_ranges", "(array) start, end, start, end of the byte addresses behind slot 'local', end excluded", "[]"},
        {"remote_bandwidth", "(string) Payload rate of one direction of the device's link: its port arbiter lets "
                             "requests go no faster, in turn; 0B/s: no arbiter", "0B/s"},
        {"peer_ranges", "(array) start, end, ... of the memories that peer fabrics join: copies from one to another "
                        "of the same fabric go over it, end excluded", "[]"},
        {"peer_fabrics", "(array) of each of 'peer_ranges' the number of its fabric", "[]"},
        {"peer_own", "(array) numbers in 'peer_ranges' of the device's own memories, one for each slot 'peer'", "[]"},
        {"peer_units", "(array) unit, number, ... of units and the 'peer_own' beside each: of two own memories, a "
                       "copy uses the port of the one beside its unit", "[]"},
        {"peer_bandwidths", "(array) As 'remote_bandwidth', of each slot 'peer'", "[]"},
        {"hub_delay", "(string) Latency core to hub to core, the same for all cores", "2ps"},
        {"progress_events", "(uint) Print a line after every so many ended events; 0: never", "0"})
    SST_ELI_DOCUMENT_PORTS({"hub", "To a port of moecosim.Hub, for signals between devices", {"moecosim.SignalEvent"}})
    SST_ELI_DOCUMENT_SUBCOMPONENT_SLOTS(
        {"local", "Way to the device's own memory", "SST::Interfaces::StandardMem"},
        {"remote", "Way to all other memories", "SST::Interfaces::StandardMem"},
        {"peer", "Ways of the device's own memories to their peers", "SST::Interfaces::StandardMem"})
    SST_ELI_DOCUMENT_STATISTICS({"finished", "1 if every event has ended, else 0", "flag", 1},
                                {"finish_time", "When the last of the ended events ended", "ps", 1},
                                {"events", "Events that have ended", "events", 1},
                                {"requests", "Requests sent", "requests", 1},
                                {"read_bytes", "Bytes asked for by reads", "bytes", 1},
                                {"written_bytes", "Bytes sent in writes", "bytes", 1})

    StreamCore(SST::ComponentId_t id, SST::Params& params);

    void init(unsigned phase) override;
    void setup() override;
    void complete(unsigned phase) override;
    void finish() override;
    void printStatus(SST::Output& out) override;

private:
    using StandardMem = SST::Interfaces::StandardMem;

    static constexpr uint32_t FLOW_BITS = 20;  // of a request's id; the core's own id has the other 12
    static constexpr uint32_t MOST_FLOWS = 1u << FLOW_BITS;

    // What a lane does when its timer rings.
    enum class Due : uint8_t { end_event, open_flows };

    struct Lane {
        uint64_t next_event;
        uint64_t last_event;  // excluded
        uint64_t window_bytes;
        uint32_t unit;
        uint32_t place;  // of its unit among the device's
        uint32_t flows = 0;  // of its event, not over yet
        // of a kernel whose parts follow each other: bytes under way, the flows of the part that asks, whose turn it
        // is of them, and the first access of the next part
        uint64_t under_way = 0;
        std::vector<uint32_t> asking;
        uint32_t turn = 0;
        uint32_t next_access = 0;
        uint32_t after = TokenTable::NO_LANE;  // next lane that waits for the same token
        Due due = Due::end_event;
    };

    [[noreturn]] void refuse(const std::string& why);
    StandardMem* load_memory(const char* slot);
    void load_peers(SST::Params& params, SST::Link* wakes);
    std::vector<Way*> ways();
    void make_lanes();

    void run_ready();
    void run(uint32_t lane);
    bool begin(uint32_t lane, uint64_t event);
    void end_event(uint32_t lane, uint64_t event);
    void ring_in(uint32_t lane, uint64_t delay_ps, Due due);
    void on_timer(SST::Event* event);

    void open_flows(uint32_t lane);
    uint32_t open_flow(uint32_t lane, const EventRecord& event, uint32_t index, uint64_t credit);
    std::vector<uint32_t> open_accesses(uint32_t lane, const EventRecord& event, uint32_t first, uint32_t end);
    void go_on(uint32_t lane);
    bool ask_in_turn(Lane& lane);
    void send_requests(uint32_t slot);
    bool send_request(uint32_t slot);
    void on_response(StandardMem::Request* response);
    void leave_event(uint32_t lane);
    void on_wake(SST::Event* event);
    Way* way_to(uint64_t address);
    bool is_local(uint64_t address) const;
    std::pair<Way*, Way*> ways_of_copy(uint32_t unit, uint64_t source, uint64_t target);
    std::pair<size_t, size_t> peers_of(uint64_t source, uint64_t target) const;

    void signal(uint32_t lane, uint32_t token);
    void on_signal(SST::Event* event);
    void arrive(uint32_t token, uint32_t unit, uint64_t sent_ps);
    bool pass_wait(uint32_t lane, const EventRecord& event);

    uint64_t now() { return getCurrentSimTime(ps_); }
    void end_if_all_done();
    void write_timeline();
    std::string standing(uint32_t lane);

    SST::Output output_;
    SST::TimeConverter ps_;
    Way local_;
    Way remote_;
    std::vector<Way> peers_;  // one per own memory on the peer fabric; fixed after construction
    SST::Link* hub_;
    SST::Link* timer_;
    ResponseReader reader_;

    StreamFile file_;
    std::string timeline_path_;
    uint64_t line_bytes_;
    uint32_t id_bits_;  // of this core, in the upper bits of every request's id
    uint64_t hub_delay_ps_;
    uint64_t progress_events_;
    using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;
    Ranges local_ranges_;
    Ranges peer_ranges_;
    std::vector<uint32_t> peer_fabrics_;  // of each peer range
    std::vector<std::pair<uint32_t, size_t>> beside_;  // units, and the numbers of the peer ranges beside them
    std::vector<Way*> peer_ways_;  // of each peer range; null where it is another device's

    std::vector<Lane> lanes_;
    std::vector<uint32_t> ready_;
    std::vector<Flow> flows_;
    std::vector<uint32_t> free_flows_;
    TokenTable tokens_;
    std::vector<TimelineRecord> timeline_;

    bool is_done_ = false;
    uint64_t ended_ = 0;
    uint64_t finish_ps_ = 0;
    SST::Statistics::Statistic<uint64_t>* finished_statistic_;
    SST::Statistics::Statistic<uint64_t>* finish_time_statistic_;
    SST::Statistics::Statistic<uint64_t>* events_statistic_;
    SST::Statistics::Statistic<uint64_t>* requests_statistic_;
    SST::Statistics::Statistic<uint64_t>* read_statistic_;
    SST::Statistics::Statistic<uint64_t>* written_statistic_;
};

}  // namespace moecosim

#endif
