#ifndef MOECOSIM_SIGNAL_EVENT_H
#define MOECOSIM_SIGNAL_EVENT_H

#include <sst/core/event.h>

#include <cstdint>

namespace moecosim {

// A token on its way from one device to the others.
class SignalEvent : public SST::Event {
public:
    SignalEvent() = default;
    SignalEvent(uint32_t token, uint32_t unit, uint64_t sent_ps) : token(token), unit(unit), sent_ps(sent_ps) {}

    uint32_t token = 0;
    uint32_t unit = 0;  // that signals
    uint64_t sent_ps = 0;

    Event* clone() override { return new SignalEvent(*this); }

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(token);
        SST_SER(unit);
        SST_SER(sent_ps);
    }
    ImplementSerializable(moecosim::SignalEvent)
};

}  // namespace moecosim

#endif
