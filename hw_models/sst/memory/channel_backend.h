#ifndef MOECOSIM_CHANNEL_BACKEND_H
#define MOECOSIM_CHANNEL_BACKEND_H

#include <sst/core/link.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "efficiency.h"
#include "fair_queue.h"
#include "line_backend.h"

namespace moecosim {

// A memory as bandwidth, latency and channels. A request occupies each channel it touches for the
// time its bytes there take, and is answered `latency` after the last of them. Event driven: nothing
// happens between requests.
class ChannelBackend : public LineBackend {
public:
    SST_ELI_REGISTER_SUBCOMPONENT(ChannelBackend, "moecosim", "ChannelBackend", SST_ELI_ELEMENT_VERSION(1, 0, 0),
                                  "Event-driven memory timing: channels with bandwidth, latency and optional rows",
                                  SST::MemHierarchy::SimpleMemBackend)
    SST_ELI_DOCUMENT_PARAMS(
        MEMBACKEND_ELI_PARAMS,
        {"bandwidth", "(string) Peak of all channels together, with units, e.g. '64GB/s'", NULL},
        {"channels", "(uint) Number of channels", "1"},
        {"interleave_bytes", "(uint) Consecutive blocks of this size lie on consecutive channels", "256"},
        {"latency", "(string) Unloaded, from the request's arrival to the response, transfer excluded", "0ps"},
        {"write_latency", "(string) The same of writes; as latency where it is not given", ""},
        {"page_bytes", "(uint) Least that is moved, on a die for each channel; the latencies then hold the time of a page; 0: no pages", "0"},
        {"arbitration", "(string) 'fair': request streams take turns on a channel; 'fifo': in order of arrival", "fair"},
        {"efficiency_block_bytes", "(array) Lengths of contiguous blocks for which the shares are given", "[1]"},
        {"efficiency_read", "(array) Share of the peak that reads of such blocks reach", "[1.0]"},
        {"efficiency_write", "(array) Share of the peak that writes of such blocks reach", "[1.0]"},
        {"row_bytes", "(uint) Bytes of one row of one bank; 0: no row model", "0"},
        {"banks", "(uint) Banks per channel", "1"},
        {"row_miss", "(string) Time a bank takes to close a row and open another", "0ps"})
    SST_ELI_DOCUMENT_STATISTICS({"requests", "Requests answered", "requests", 1},
                                {"read_bytes", "Bytes read", "bytes", 1},
                                {"written_bytes", "Bytes written", "bytes", 1},
                                {"row_misses", "Rows opened (row model only)", "rows", 1},
                                {"busy_time", "Time in transfers, summed over channels", "ps", 1})

    ChannelBackend(SST::ComponentId_t id, SST::Params& params);

    void accept(const Request& request) override;
    void finish() override;

private:
    // Times inside the backend are in 1/1024 ps, so that rounding does not add up over requests.
    using Fine = uint64_t;

    struct Pending {
        ReqId id;
        Fine last_end;
        uint32_t pieces;  // not served yet
        bool is_write;
    };
    // The part of a request that lies in one block of one channel.
    struct Piece {
        uint64_t address;
        Fine arrival;
        Fine duration;
        uint32_t pending;
    };
    struct Bank {
        uint64_t row = UINT64_MAX;
        Fine free = 0;
    };
    struct Channel {
        Fine free = 0;
        bool will_wake = false;
        FairQueue<Piece> waiting;
        std::vector<Bank> banks;
    };
    struct Rates {
        double read;  // 1/1024 ps per byte
        double write;
    };

    Fine now();
    uint32_t new_pending(const Request& request, uint32_t pieces);
    uint64_t in_pages(uint64_t begin, uint64_t end) const;
    Fine sensed(const Piece& piece, const Pending& pending, Fine start) const;
    const Rates& rates(uint64_t block_bytes);
    uint32_t dense_stream(const Request& request);
    void serve(uint32_t channel);
    void transfer(Channel& channel, const Piece& piece);
    Fine bank_ready(Channel& channel, const Piece& piece, Bank*& bank);
    void wake(SST::Event* event);
    void answer(SST::Event* event);

    SST::Link* answers_;
    SST::Link* wakes_;
    SST::TimeConverter ps_;
    Efficiency efficiency_;
    double fine_per_byte_;  // of one channel at its peak
    uint64_t interleave_bytes_;
    uint64_t page_bytes_;
    uint64_t latency_ps_;
    uint64_t write_latency_ps_;
    uint64_t row_bytes_;
    Fine row_miss_;
    bool is_fair_;
    std::vector<Channel> channels_;
    std::vector<Pending> pending_;
    std::vector<uint32_t> free_pending_;
    std::unordered_map<uint64_t, Rates> rates_;
    std::unordered_map<uint64_t, uint32_t> streams_;

    uint64_t requests_ = 0;
    uint64_t read_bytes_ = 0;
    uint64_t written_bytes_ = 0;
    uint64_t written_pages_ = 0;
    uint64_t row_misses_ = 0;
    Fine busy_ = 0;
    SST::Statistics::Statistic<uint64_t>* requests_statistic_;
    SST::Statistics::Statistic<uint64_t>* read_statistic_;
    SST::Statistics::Statistic<uint64_t>* written_statistic_;
    SST::Statistics::Statistic<uint64_t>* row_misses_statistic_;
    SST::Statistics::Statistic<uint64_t>* busy_statistic_;
};

}  // namespace moecosim

#endif
