// SPDX-License-Identifier: GPL-2.0-only
/* What the client's requests mean. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vfio_user_priv.h"

/*
 * Not write_multiple, which makes some versions of QEMU queue writes, and not
 * migration: there is none. Must be no longer than QEMU's own, 194 bytes.
 */
static const char capabilities[] =
	"{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576}}";

static uint32_t region_size(const struct vfio_user *vu, uint32_t region)
{
	switch (region) {
	case VU_REGION_BAR0:
		return vu->ident.bar0_size;
	case VU_REGION_BAR2:
		return VU_BAR2_SIZE;
	case VU_REGION_CONFIG:
		return VU_CONFIG_SIZE;
	default:
		return 0;
	}
}

void vu_device_reset(struct vfio_user *vu)
{
	vu_config_reset(&vu->config);
	guest_mem_set_master(vu->mem, false);
	vu->irqs.pending = 0;
	vu->ops->reset(vu->device);
}

static ssize_t do_version(struct vfio_user *vu, const struct vu_request *request,
			  uint8_t *body)
{
	struct vu_version version;

	memcpy(&version, request->body, sizeof(version));
	if (version.major)
		return -ENOTSUP;
	if (request->size > sizeof(version) &&
	    request->body[request->size - 1])
		return -EINVAL;			/* JSON without its NUL */

	vu->client.ready = true;
	vu_device_reset(vu);
	version.minor = 0;
	memcpy(body, &version, sizeof(version));
	memcpy(body + sizeof(version), capabilities, sizeof(capabilities));
	return sizeof(version) + sizeof(capabilities);
}

static ssize_t do_dma_map(struct vfio_user *vu, const struct vu_request *request,
			  uint8_t *body)
{
	struct vu_dma_map map;
	unsigned int access = 0;
	int err;

	(void)body;
	memcpy(&map, request->body, sizeof(map));
	if (map.argsz < sizeof(map))
		return -EINVAL;
	if (map.flags & VU_MAP_READ)
		access |= GUEST_READ;
	if (map.flags & VU_MAP_WRITE)
		access |= GUEST_WRITE;

	if (request->fds->count)
		err = guest_mem_map_fd(vu->mem, map.iova, map.size, access,
				       request->fds->fd[0], map.offset);
	else
		err = guest_mem_map_none(vu->mem, map.iova, map.size);
	log_debug("%s: map %#" PRIx64 " size %#" PRIx64 " flags %u%s: %d",
		  vu->addr.sun_path, map.iova, map.size, map.flags,
		  request->fds->count ? "" : " without fd", err);
	return err;
}

/* Ranges that were never mapped are no error: a guest's IOMMU sends them. */
static ssize_t do_dma_unmap(struct vfio_user *vu,
			    const struct vu_request *request, uint8_t *body)
{
	struct vu_dma_unmap unmap;

	memcpy(&unmap, request->body, sizeof(unmap));
	if (unmap.argsz < sizeof(unmap) || unmap.flags & VU_UNMAP_BITMAP)
		return -EINVAL;
	if (unmap.flags & VU_UNMAP_ALL) {
		if (unmap.iova || unmap.size)
			return -EINVAL;
		guest_mem_unmap_all(vu->mem);
	} else {
		guest_mem_unmap(vu->mem, unmap.iova, unmap.size);
	}
	log_debug("%s: unmap %#" PRIx64 " size %#" PRIx64 " flags %u",
		  vu->addr.sun_path, unmap.iova, unmap.size, unmap.flags);
	memcpy(body, &unmap, sizeof(unmap));
	return sizeof(unmap);
}

static ssize_t do_get_info(struct vfio_user *vu,
			   const struct vu_request *request, uint8_t *body)
{
	struct vu_info info;

	(void)vu;
	memcpy(&info, request->body, sizeof(info));
	if (info.argsz < sizeof(info))
		return -EINVAL;
	info.argsz = sizeof(info);
	info.flags = VU_DEVICE_RESET | VU_DEVICE_PCI;
	info.regions = VU_REGIONS;
	info.irqs = VU_IRQS;
	memcpy(body, &info, sizeof(info));
	return sizeof(info);
}

/* No region can be mapped: that would end posted writes for the whole card. */
static ssize_t do_get_region_info(struct vfio_user *vu,
				  const struct vu_request *request,
				  uint8_t *body)
{
	struct vu_region_info info;
	uint32_t size;

	memcpy(&info, request->body, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= VU_REGIONS)
		return -EINVAL;
	size = region_size(vu, info.index);
	info.argsz = sizeof(info);
	info.flags = size ? VU_REGION_CAN_READ | VU_REGION_CAN_WRITE : 0;
	info.cap_offset = 0;
	info.size = size;
	info.offset = 0;
	memcpy(body, &info, sizeof(info));
	return sizeof(info);
}

/*
 * VFIO_IRQ_INFO_NORESIZE is not set, so that QEMU adds vectors one by one and
 * never disarms one that is in use.
 */
static ssize_t do_get_irq_info(struct vfio_user *vu,
			       const struct vu_request *request, uint8_t *body)
{
	struct vu_irq_info info;

	memcpy(&info, request->body, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= VU_IRQS)
		return -EINVAL;
	info.argsz = sizeof(info);
	info.count = vu_irqs_count(vu, info.index);
	info.flags = info.count ? VU_IRQ_EVENTFD : 0;
	memcpy(body, &info, sizeof(info));
	return sizeof(info);
}

static ssize_t do_set_irqs(struct vfio_user *vu, const struct vu_request *request,
			   uint8_t *body)
{
	(void)body;
	return vu_irqs_set(vu, request);
}

/*
 * The device knows accesses of 1, 2, 4 and 8 bytes. Anything else is taken
 * apart into aligned ones. Return: bytes the next one has.
 */
static unsigned int access_unit(uint64_t offset, uint32_t count)
{
	unsigned int unit = 8;

	if (count == 1 || count == 2 || count == 4 || count == 8)
		return count;
	while (unit > count || offset % unit)
		unit /= 2;
	return unit;
}

static void bar0_read(struct vfio_user *vu, const struct vu_access *access,
		      uint8_t *data)
{
	uint32_t offset = (uint32_t)access->offset;
	unsigned int unit;

	for (uint32_t left = access->count; left; left -= unit) {
		uint64_t value;

		unit = access_unit(offset, left);
		value = htole64(vu->ops->read(vu->device, offset, unit));
		memcpy(data, &value, unit);
		data += unit;
		offset += unit;
	}
}

static void bar0_write(struct vfio_user *vu, const struct vu_access *access,
		       const uint8_t *data)
{
	uint32_t offset = (uint32_t)access->offset;
	unsigned int unit;

	for (uint32_t left = access->count; left; left -= unit) {
		uint64_t value = 0;

		unit = access_unit(offset, left);
		memcpy(&value, data, unit);
		vu->ops->write(vu->device, offset, unit, le64toh(value));
		data += unit;
		offset += unit;
	}
}

/* The client has the MSI-X table; only the pending bits are ours to tell. */
static void bar2_read(struct vfio_user *vu, const struct vu_access *access,
		      uint8_t *data)
{
	for (uint32_t i = 0; i < access->count; i++) {
		uint64_t offset = access->offset + i;

		data[i] = 0;
		if (offset >= VU_PBA_OFFSET && offset < VU_PBA_OFFSET + 4)
			data[i] = (uint8_t)(vu->irqs.pending >>
					    8 * (offset - VU_PBA_OFFSET));
	}
}

static void config_write(struct vfio_user *vu, const struct vu_access *access,
			 const uint8_t *data)
{
	bool enabled = vu_config_msix_enabled(&vu->config);

	vu_config_write(&vu->config, access->offset, data, access->count);
	guest_mem_set_master(vu->mem, vu_config_master(&vu->config));
	/* What a driver left behind is not for the next one. */
	if (vu_config_msix_enabled(&vu->config) != enabled)
		vu->irqs.pending = 0;
}

static bool access_ok(const struct vfio_user *vu, const struct vu_access *access)
{
	uint32_t size = region_size(vu, access->region);

	return access->count && access->offset <= size &&
	       access->count <= size - access->offset;
}

static void region_write(struct vfio_user *vu, const struct vu_access *access,
			 const uint8_t *data)
{
	if (access->region == VU_REGION_BAR0)
		bar0_write(vu, access, data);
	else if (access->region == VU_REGION_CONFIG)
		config_write(vu, access, data);
}

static ssize_t do_region_read(struct vfio_user *vu,
			      const struct vu_request *request, uint8_t *body)
{
	struct vu_access access;
	uint8_t *data = body + sizeof(access);

	memcpy(&access, request->body, sizeof(access));
	if (!access_ok(vu, &access) || access.count > VU_DATA_MAX)
		return -EINVAL;
	if (access.region == VU_REGION_BAR0)
		bar0_read(vu, &access, data);
	else if (access.region == VU_REGION_BAR2)
		bar2_read(vu, &access, data);
	else
		memcpy(data, vu->config.byte + access.offset, access.count);
	memcpy(body, &access, sizeof(access));
	return (ssize_t)(sizeof(access) + access.count);
}

static ssize_t do_region_write(struct vfio_user *vu,
			       const struct vu_request *request, uint8_t *body)
{
	struct vu_access access;

	memcpy(&access, request->body, sizeof(access));
	if (access.count != request->size - sizeof(access) ||
	    !access_ok(vu, &access))
		return -EINVAL;
	region_write(vu, &access, request->body + sizeof(access));
	memcpy(body, &access, sizeof(access));
	return sizeof(access);
}

static ssize_t do_write_multi(struct vfio_user *vu,
			      const struct vu_request *request, uint8_t *body)
{
	const uint8_t *next = request->body + sizeof(uint64_t);
	uint64_t count;

	memcpy(&count, request->body, sizeof(count));
	if (count > VU_MULTI_MAX || request->size - sizeof(count) !=
				    count * sizeof(struct vu_multi))
		return -EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		struct vu_multi multi;

		memcpy(&multi, next, sizeof(multi));
		next += sizeof(multi);
		if (multi.access.count > sizeof(multi.data) ||
		    !access_ok(vu, &multi.access))
			return -EINVAL;
		region_write(vu, &multi.access, multi.data);
	}
	memcpy(body, &count, sizeof(count));
	return sizeof(count);
}

static ssize_t do_reset(struct vfio_user *vu, const struct vu_request *request,
			uint8_t *body)
{
	(void)request;
	(void)body;
	vu_device_reset(vu);			/* memory stays mapped */
	return 0;
}

struct command {
	const char *name;
	ssize_t (*run)(struct vfio_user *vu, const struct vu_request *request,
		       uint8_t *body);
	size_t min, max;		/* bytes of the request's body */
	unsigned int fds;		/* at most */
};

#define BODY_MAX	(VU_MESSAGE_MAX - sizeof(struct vu_header))
#define EXACTLY(type)	sizeof(struct type), sizeof(struct type)
#define AT_LEAST(size)	(size), BODY_MAX

static const struct command commands[VU_COMMANDS] = {
	[VU_VERSION] = { "VERSION", do_version,
			 AT_LEAST(sizeof(struct vu_version)), 0 },
	[VU_DMA_MAP] = { "DMA_MAP", do_dma_map, EXACTLY(vu_dma_map), 1 },
	[VU_DMA_UNMAP] = { "DMA_UNMAP", do_dma_unmap,
			   EXACTLY(vu_dma_unmap), 0 },
	[VU_GET_INFO] = { "GET_INFO", do_get_info, EXACTLY(vu_info), 0 },
	[VU_GET_REGION_INFO] = { "GET_REGION_INFO", do_get_region_info,
				 EXACTLY(vu_region_info), 0 },
	[VU_GET_IRQ_INFO] = { "GET_IRQ_INFO", do_get_irq_info,
			      EXACTLY(vu_irq_info), 0 },
	[VU_SET_IRQS] = { "SET_IRQS", do_set_irqs,
			  AT_LEAST(sizeof(struct vu_irq_set)), VU_FDS_MAX },
	[VU_REGION_READ] = { "REGION_READ", do_region_read,
			     EXACTLY(vu_access), 0 },
	[VU_REGION_WRITE] = { "REGION_WRITE", do_region_write,
			      AT_LEAST(sizeof(struct vu_access)), 0 },
	[VU_RESET] = { "DEVICE_RESET", do_reset, 0, 0, 0 },
	[VU_WRITE_MULTI] = { "REGION_WRITE_MULTI", do_write_multi,
			     AT_LEAST(sizeof(uint64_t)), 0 },
};

const char *vu_command_name(unsigned int command)
{
	if (command >= VU_COMMANDS || !commands[command].name)
		return "unknown";
	return commands[command].name;
}

ssize_t vu_request(struct vfio_user *vu, const struct vu_request *request,
		   uint8_t *body)
{
	const struct command *command;

	if (request->header.command >= VU_COMMANDS)
		return -ENOSYS;
	command = &commands[request->header.command];
	if (!command->run)
		return -ENOSYS;
	if (request->size < command->min || request->size > command->max ||
	    request->fds->count > command->fds)
		return -EINVAL;
	/* The first, and once: vfio_user.c lets nothing else in before it. */
	if (request->header.command == VU_VERSION && vu->client.ready)
		return -EINVAL;
	return command->run(vu, request, body);
}
