#ifndef MOECOSIM_FAIR_QUEUE_H
#define MOECOSIM_FAIR_QUEUE_H

#include <cstdint>
#include <vector>

namespace moecosim {

// What waits for one channel: a first-in first-out queue per request stream, served in turn.
// Equal line sizes make equal turns equal shares, as max-min fairness wants them.
template <typename Item>
class FairQueue {
public:
    bool empty() const { return first_ == NONE; }
    uint32_t active() const { return active_; }  // streams that have something here

    void push(uint32_t stream, const Item& item) {
        if (stream >= streams_.size()) streams_.resize(stream + 1);
        const uint32_t node = new_node(item);
        Stream& queue = streams_[stream];
        if (queue.head == NONE) {
            queue.head = node;
            append(stream);
            ++active_;
        } else {
            nodes_[queue.tail].next = node;
        }
        queue.tail = node;
    }

    // The queue must not be empty.
    const Item& front() const { return nodes_[streams_[first_].head].item; }

    // The queue must not be empty.
    Item pop() {
        const uint32_t stream = first_;
        Stream& queue = streams_[stream];
        first_ = queue.next;
        if (first_ == NONE) last_ = NONE;
        const uint32_t node = queue.head;
        queue.head = nodes_[node].next;
        if (queue.head != NONE)
            append(stream);
        else
            --active_;
        nodes_[node].next = free_;
        free_ = node;
        return nodes_[node].item;
    }

private:
    static constexpr uint32_t NONE = UINT32_MAX;

    struct Node {
        Item item;
        uint32_t next;
    };
    struct Stream {
        uint32_t head = NONE;
        uint32_t tail = NONE;
        uint32_t next = NONE;  // stream whose turn is after this one's
    };

    uint32_t new_node(const Item& item) {
        if (free_ == NONE) {
            nodes_.push_back({item, NONE});
            return uint32_t(nodes_.size() - 1);
        }
        const uint32_t node = free_;
        free_ = nodes_[node].next;
        nodes_[node] = {item, NONE};
        return node;
    }

    void append(uint32_t stream) {
        streams_[stream].next = NONE;
        if (last_ == NONE)
            first_ = stream;
        else
            streams_[last_].next = stream;
        last_ = stream;
    }

    std::vector<Node> nodes_;
    std::vector<Stream> streams_;
    uint32_t free_ = NONE;
    uint32_t first_ = NONE;
    uint32_t last_ = NONE;
    uint32_t active_ = 0;
};

}  // namespace moecosim

#endif
