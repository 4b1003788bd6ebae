#include "flit_packer.h"

#include <algorithm>

namespace moecosim {

void FlitPacker::set(const FlitRules& rules, uint32_t credits) {
    rules_ = rules;
    credits_ = credits;
    free_[LinkMessage::bare] = free_[LinkMessage::with_data] = credits;
}

void FlitPacker::add(const LinkMessage& message) { waiting_[message.kind].push(message.stream, message); }

// Whether a header of the kind can be sent. A request takes the credits of all its lines when its turn comes; one of
// more lines than there are credits, all there are.
bool FlitPacker::next(LinkMessage::Kind kind) {
    Head& head = head_[kind];
    if (head.left > 0) return true;
    if (waiting_[kind].empty()) return false;
    if (credits_ > 0) {
        const uint32_t lines = waiting_[kind].front().lines;
        if (free_[kind] < int64_t(std::min(lines, credits_))) {
            ++credit_waits_;
            return false;
        }
        free_[kind] -= lines;
    }
    head.message = waiting_[kind].pop();
    head.left = head.message.lines;
    return true;
}

// Headers of one message at most, so that what is behind them is its data. Returns how many.
uint32_t FlitPacker::take(LinkMessage::Kind kind, uint32_t most, std::vector<void*>& complete) {
    uint32_t taken = 0;
    while (taken < most && next(kind)) {
        Head& head = head_[kind];
        --head.left;
        ++taken;
        if (kind == LinkMessage::with_data) {
            data_.push_back({head.message.packet, LINE_SLOTS, head.left == 0});
            data_slots_ += LINE_SLOTS;
        } else if (head.left == 0) {
            complete.push_back(head.message.packet);
        }
    }
    return taken;
}

void FlitPacker::end_turn() {
    turn_ = 1 - turn_;
    turns_left_ = std::max(1u, waiting_[turn_].active());
}

// One slot of headers. The kinds take turns, as many as they have streams; but what can travel with a header of data for
// nothing waits for one.
bool FlitPacker::put_headers(uint32_t sent[2], std::vector<void*>& complete) {
    if (rules_.rides > 0) turn_ = LinkMessage::with_data;
    for (int attempt = 0; attempt < 2; ++attempt) {
        const auto kind = LinkMessage::Kind(turn_);
        const uint32_t taken = take(kind, std::min(rules_.per_slot[kind], rules_.most[kind] - sent[kind]), complete);
        if (taken == 0) {
            end_turn();
            continue;
        }
        if (turns_left_ <= 1)
            end_turn();
        else
            --turns_left_;
        sent[kind] += taken;
        if (kind == LinkMessage::with_data && taken == 1) {
            const uint32_t room = rules_.most[LinkMessage::bare] - sent[LinkMessage::bare];
            sent[LinkMessage::bare] += take(LinkMessage::bare, std::min(rules_.rides, room), complete);
        }
        return true;
    }
    return false;
}

void FlitPacker::put_data(std::vector<void*>& complete) {
    Data& data = data_.front();
    --data_slots_;
    if (--data.slots > 0) return;
    if (data.is_last) complete.push_back(data.packet);
    data_.pop_front();
}

bool FlitPacker::fill(std::vector<void*>& complete) {
    uint32_t used = 0;
    if (rules_.all_data && data_slots_ >= rules_.slots) {
        for (; used < rules_.slots; ++used) put_data(complete);
    } else {
        uint32_t sent[2] = {0, 0};
        for (uint32_t slot = 0; slot < rules_.slots; ++slot) {
            if (data_slots_ > 0 && (rules_.header_only >> slot & 1) == 0) {
                put_data(complete);
                ++used;
            } else if (put_headers(sent, complete)) {
                ++used;
            }
        }
    }
    if (used > 0) ++flits_;
    used_slots_ += used;
    return used > 0;
}

}  // namespace moecosim
