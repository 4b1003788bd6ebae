#ifndef MOECOSIM_FLIT_PACKER_H
#define MOECOSIM_FLIT_PACKER_H

#include <cstdint>
#include <deque>
#include <vector>

#include "fair_queue.h"

namespace moecosim {

// Messages of CXL.mem that cross one direction of a link together: one for every line of 64 bytes.
struct LinkMessage {
    enum Kind : uint32_t { bare = 0, with_data = 1 };  // to the memory Req and RwD, from it NDR and DRS

    void* packet;  // what they are, for its owner
    Kind kind;
    uint32_t stream;  // those of a kind take turns by stream
    uint32_t lines;
};

// What may lie where in the flits of one direction.
struct FlitRules {
    uint32_t slots;
    uint32_t header_only;  // bit n: slot n cannot hold data
    bool all_data;         // a flit may hold data in all its slots, those too
    uint32_t per_slot[2];  // headers of a kind that one slot holds
    uint32_t rides;        // headers without data that travel with one with data, where a slot holds one of those
    uint32_t most[2];      // headers of a kind in one flit
};

// Fills the flits of one direction, slot after slot, with what waits.
class FlitPacker {
public:
    // `credits`: lines of each kind that the receiver has room for; 0: without end.
    void set(const FlitRules& rules, uint32_t credits);

    void add(const LinkMessage& message);
    void return_credits(LinkMessage::Kind kind, uint32_t lines) { free_[kind] += lines; }

    // Lays out the next flit and says whether anything is in it; what is complete with it goes to `complete`.
    bool fill(std::vector<void*>& complete);

    uint64_t flits() const { return flits_; }
    uint64_t used_slots() const { return used_slots_; }
    uint64_t credit_waits() const { return credit_waits_; }

private:
    static constexpr uint32_t LINE_SLOTS = 4;

    struct Head {
        LinkMessage message{};
        uint32_t left = 0;  // lines whose header is still to come
    };
    // Data whose header is out.
    struct Data {
        void* packet;
        uint32_t slots;
        bool is_last;
    };

    bool next(LinkMessage::Kind kind);
    uint32_t take(LinkMessage::Kind kind, uint32_t most, std::vector<void*>& complete);
    bool put_headers(uint32_t sent[2], std::vector<void*>& complete);
    void end_turn();
    void put_data(std::vector<void*>& complete);

    FlitRules rules_{};
    uint32_t credits_ = 0;
    int64_t free_[2] = {0, 0};
    FairQueue<LinkMessage> waiting_[2];
    Head head_[2];
    std::deque<Data> data_;
    uint64_t data_slots_ = 0;
    uint32_t turn_ = LinkMessage::bare;  // which kind is next
    uint32_t turns_left_ = 0;            // slots of headers before the other is
    uint64_t flits_ = 0;
    uint64_t used_slots_ = 0;
    uint64_t credit_waits_ = 0;
};

}  // namespace moecosim

#endif
