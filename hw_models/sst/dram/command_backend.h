#ifndef MOECOSIM_COMMAND_BACKEND_H
#define MOECOSIM_COMMAND_BACKEND_H

#include <sst/core/link.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "dram_address.h"
#include "dram_channel.h"
#include "fair_queue.h"
#include "line_backend.h"

namespace moecosim {

// A memory as DRAM channels, command by command, from the standard's organisation and timings alone: it
// is given no achieved shares. Before each channel's finite queues the lines of all lanes wait in
// turn, reads and writes of a lane apart. A line that is read is answered `latency` less an activate and a read's latency after its last
// data; one that is written when the last of it has entered the write queue.
class CommandBackend : public LineBackend {
public:
    SST_ELI_REGISTER_SUBCOMPONENT(CommandBackend, "moecosim", "CommandBackend", SST_ELI_ELEMENT_VERSION(1, 0, 0),
                                  "DRAM channels command by command: banks, gaps, queues, draining, refresh",
                                  SST::MemHierarchy::SimpleMemBackend)
#define GAP(name, text) {name, "(uint) Clocks: " text, "0"}
    SST_ELI_DOCUMENT_PARAMS(
        MEMBACKEND_ELI_PARAMS, {"channels", "(uint) Number of channels", "1"},
        {"interleave_bytes", "(uint) Consecutive blocks of this size lie on consecutive channels", "256"},
        {"latency", "(string) Unloaded, from the request's arrival to the response, transfer excluded", "0ps"},
        {"arbitration", "(string) Before the queues: 'fair', lanes take turns; 'fifo', in order of arrival", "fair"},
        {"clock_period", "(string) Of the command clock, e.g. '625ps'", NULL},
        {"ticks_per_clock", "(uint) 2: precharges may start at half clocks", "1"},
        {"mapping", "(string) Fields of an access's number in its channel, from the lowest bit up, such as "
                    "'Column[6] BankGroup[3] Bank[2] Row[16]'", NULL},
        {"mixes_columns", "(bool) Bits of the column are XORed into pseudo-channel, rank, bank group, bank, row", "0"},
        {"pseudo_channels", "(uint) Of a channel", "1"}, {"ranks", "(uint) Or stack IDs", "1"},
        {"bank_groups", "(uint) Of a rank", "1"}, {"banks_per_group", "(uint) Of a bank group", "1"},
        {"rows", "(uint) Of a bank", NULL}, {"row_bytes", "(uint) Of an open row, all chips together", NULL},
        {"access_bytes", "(uint) Of a column command", "64"}, {"burst_clocks", "(uint) Of its data", NULL},
        {"rank_scope", "(bool) A rank has its activate window, turnarounds and refresh; else a pseudo-channel", "1"},
        {"command_buses", "(uint) 2: one for rows, one for columns", "1"},
        {"activate_clocks", "(float) Length of the command", "1"},
        {"column_clocks", "(float) Length of reads and writes", "1"},
        {"other_clocks", "(float) Length of precharge and refresh", "1"},
        {"data_clock", "(bool) Stops tWCKPST after a burst, and takes a command to start", "0"},
        {"refresh", "(string) all-bank, per-bank or off", "all-bank"}, {"read_queue", "(uint) Entries", "32"},
        {"write_queue", "(uint) Entries", "32"},
        {"drain_from", "(float) Share of the write queue from which on writes go first", "0.8"},
        {"drain_to", "(float) Share under which reads do again", "0.2"}, GAP("tCL", "read to data"),
        GAP("tCWL", "write to data"), GAP("tRCD", "activate to read"), GAP("tRCD_WR", "to write; 0: tRCD"),
        GAP("tRP", "precharge to activate"), GAP("tRPab", "of all banks; 0: tRP"), GAP("tRAS", "activate to precharge"),
        GAP("tRC", "activate to activate of a bank"), GAP("tCCD_S", "read to read"),
        GAP("tCCD_L", "in a bank group; 0: tCCD_S"), GAP("tCCD_S_WR", "write to write; 0: tCCD_S"),
        GAP("tCCD_L_WR", "in a bank group; 0: tCCD_L"), GAP("tCCD_R", "reads of two stack IDs"),
        GAP("tRRD_S", "activate to activate"), GAP("tRRD_L", "in a bank group"), GAP("tFAW", "five activates"),
        GAP("tPPD", "precharge to precharge"), GAP("tWR", "written data to precharge"), GAP("tRTP", "read to precharge"),
        GAP("tWTR_S", "written data to read"), GAP("tWTR_L", "in a bank group"),
        GAP("tRTW", "read to write; 0: tCL + burst + tRTW_bubble - tCWL"),
        {"tRTW_bubble", "(uint) Clocks: between a read's data and a write's", "2"},
        GAP("tBURST_L", "of a burst, as tWTR_L counts it; 0: burst_clocks"), GAP("tCS", "between bursts of two ranks"),
        GAP("tWCKPST", "from a burst to the end of the data clock"), GAP("tRFC", "refresh of all banks"),
        GAP("tREFI", "between such refreshes"), GAP("tRFCpb", "refresh of a bank"),
        GAP("tREFIpb", "between such refreshes"), GAP("tRREFD", "refresh of a bank to activates of others"))
#undef GAP
    SST_ELI_DOCUMENT_STATISTICS({"requests", "Requests accepted", "requests", 1},
                                {"read_bytes", "Bytes read", "bytes", 1},
                                {"written_bytes", "Bytes written", "bytes", 1},
                                {"activates", "Rows opened", "commands", 1})

    CommandBackend(SST::ComponentId_t id, SST::Params& params);

    void accept(const Request& request) override;
    void finish() override;

private:
    struct Pending {
        ReqId id;
        Tick last_end;
        uint32_t accesses;  // not served yet, of a write not queued yet
    };
    // Accesses of a line that follow each other in one channel.
    struct Piece {
        uint64_t first = 0;
        uint32_t accesses = 0;
        uint32_t pending = 0;
        bool is_write = false;
    };
    struct Channel {
        explicit Channel(const DramRules& rules) : controller(rules) {}

        DramChannel controller;
        FairQueue<Piece> waiting;
        Piece entering;  // the controller's queues; where its queue is full, all behind it wait
        Tick wakes_at = NEVER;
    };

    std::string read_rules(SST::Params& params);
    uint32_t new_pending(ReqId id);
    uint32_t dense_stream(const Request& request);
    Tick now() const;
    void split(uint32_t pending, const Request& request);
    void feed(Channel& channel, Tick time);
    void serve(uint32_t index);
    void count_down(uint32_t pending, Tick end, uint64_t delay_ps);
    void wake(SST::Event* event);
    void answer(SST::Event* event);

    DramRules rules_;
    DramAddress address_;
    SST::Link* answers_;
    SST::Link* wakes_;
    SST::TimeConverter ps_;
    double tick_ps_ = 0;
    uint64_t interleave_bytes_;
    uint64_t read_delay_ps_ = 0;  // from the end of the data to the answer
    uint64_t write_delay_ps_ = 0;
    bool is_fair_;
    std::vector<Channel> channels_;
    std::vector<Pending> pending_;
    std::vector<uint32_t> free_pending_;
    std::unordered_map<uint64_t, uint32_t> streams_;  // numbered as they come

    uint64_t requests_ = 0;
    uint64_t read_bytes_ = 0;
    uint64_t written_bytes_ = 0;
    SST::Statistics::Statistic<uint64_t>* requests_statistic_;
    SST::Statistics::Statistic<uint64_t>* read_statistic_;
    SST::Statistics::Statistic<uint64_t>* written_statistic_;
    SST::Statistics::Statistic<uint64_t>* activates_statistic_;
};

}  // namespace moecosim

#endif
