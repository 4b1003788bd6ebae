#ifndef MOECOSIM_INDEX_EVENT_H
#define MOECOSIM_INDEX_EVENT_H

#include <sst/core/event.h>

#include <cstdint>

namespace moecosim {

// What a component sends to itself: something is due for the lane, request or channel of this index.
class IndexEvent : public SST::Event {
public:
    IndexEvent() = default;
    explicit IndexEvent(uint32_t index) : index(index) {}

    uint32_t index = 0;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(index);
    }
    ImplementSerializable(moecosim::IndexEvent)
};

}  // namespace moecosim

#endif
