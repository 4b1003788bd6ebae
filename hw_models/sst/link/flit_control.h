#ifndef MOECOSIM_FLIT_CONTROL_H
#define MOECOSIM_FLIT_CONTROL_H

#include <sst/core/interfaces/simpleNetwork.h>
#include <sst/core/link.h>
#include <sst/core/output.h>

#include <cstdint>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "flit_packer.h"

namespace moecosim {

// A device's port on a router whose link carries CXL.mem: stands between a memHierarchy.MemNIC and merlin's link
// control, and holds back what goes each way until the flits that carry its messages have crossed the lanes.
// The link control below should be as fast as the lanes at least.
class FlitControl : public SST::Interfaces::SimpleNetwork {
public:
    SST_ELI_REGISTER_SUBCOMPONENT(FlitControl, "moecosim", "FlitControl", SST_ELI_ELEMENT_VERSION(1, 0, 0),
                                  "A port whose link carries CXL.mem in flits; fills the slot 'linkcontrol' of a MemNIC",
                                  SST::Interfaces::SimpleNetwork)
    SST_ELI_DOCUMENT_PARAMS(
        {"requests", "(string) 'out': the port's own device asks for lines; 'in': it is asked", NULL},
        {"lanes", "(string) What the lanes carry in one direction, whole flits, e.g. '64GB/s'", NULL},
        {"flit_bytes", "(uint) Bytes of a flit", NULL},
        {"slots", "(uint) Slots of 16 bytes in a flit", NULL},
        {"header_only", "(array) Slots that cannot hold data", NULL},
        {"all_data", "(bool) Whether a flit may be of data alone", "false"},
        {"drs_per_slot", "(uint) Headers of read data in a slot", "1"},
        {"ndr_per_slot", "(uint) Answers to writes in a slot", "1"},
        {"ndr_with_drs", "(uint) Answers to writes beside one header of read data", "0"},
        {"most", "(array) Req, RwD, NDR and DRS that a flit holds at most; 0: as its slots allow", "[0, 0, 0, 0]"},
        {"credits", "(uint) Lines read, and lines written, that may be under way beyond the link; 0: without end", "0"},
        {"credit_return", "(string) From when an answer is sent until its line's credit is back", "0ps"},
        {"link_bw", "(string) Rate of the link control below", NULL},
        {"input_buf_size", "(string) Its input buffer", NULL},
        {"output_buf_size", "(string) Its output buffer", NULL})
    SST_ELI_DOCUMENT_PORTS({"port", "To a router", {}})
    SST_ELI_DOCUMENT_STATISTICS({"flits_to_memory", "Flits with Req and RwD", "flits", 1},
                                {"slots_to_memory", "Slots of them that were used", "slots", 1},
                                {"flits_from_memory", "Flits with DRS and NDR", "flits", 1},
                                {"slots_from_memory", "Slots of them that were used", "slots", 1},
                                {"credit_waits", "Times a message was at the head without credits", "times", 1})

    FlitControl(SST::ComponentId_t id, SST::Params& params, int networks);

    bool send(Request* request, int network) override;
    Request* recv(int network) override;
    bool spaceToSend(int, int) override { return true; }
    bool requestToReceive(int) override { return !received_.empty(); }
    void setNotifyOnReceive(HandlerBase* functor) override { on_receive_ = functor; }
    void setNotifyOnSend(HandlerBase*) override {}
    void sendUntimedData(Request* request) override { below_->sendUntimedData(request); }
    Request* recvUntimedData() override { return below_->recvUntimedData(); }
    bool isNetworkInitialized() const override { return below_->isNetworkInitialized(); }
    nid_t getEndpointID() const override { return below_->getEndpointID(); }
    const SST::UnitAlgebra& getLinkBW() const override { return below_->getLinkBW(); }
    void init(unsigned phase) override { below_->init(phase); }
    void setup() override { below_->setup(); }
    void complete(unsigned phase) override { below_->complete(phase); }
    void finish() override;

private:
    enum Way : uint32_t { out = 0, in = 1 };

    struct Direction {
        FlitPacker packer;
        std::vector<void*> complete;  // with the flit on the lanes
        uint64_t free = 0;            // when they are, in 1/1024 ps
        bool is_busy = false;
    };

    [[noreturn]] void refuse(const std::string& why);
    void read_rules(SST::Params& params);
    LinkMessage message_of(Request* request, bool in_order);
    void carry(Way way, Request* request);
    void start(Way way);
    void on_flit(SST::Event* event);
    void hand_on(Way way, Request* request);
    bool drain(int);
    bool on_arrival(int);
    void give_back(const LinkMessage& answer);
    void on_credit(SST::Event* event);

    SST::Output output_;
    SST::TimeConverter ps_;
    SST::Interfaces::SimpleNetwork* below_;
    SST::Link* flits_;
    SST::Link* credits_;
    HandlerBase* on_receive_ = nullptr;
    Way to_memory_;
    uint64_t flit_fine_;  // time of a flit, in 1/1024 ps
    uint64_t credit_return_ps_;
    bool has_credits_;
    Direction directions_[2];
    std::queue<Request*> leaving_;  // the link control below had no room for them
    std::queue<Request*> received_;
    std::unordered_map<uint32_t, uint32_t> streams_;  // numbered as they come
    SST::Statistics::Statistic<uint64_t>* statistics_[5];
};

}  // namespace moecosim

#endif
