Select ag.NetbiosName as 
ServerName,ds.DataSourceName,vol.MountPointPath,vol.GuidName 
from tbl_IM_DataSource as ds
join tbl_PRM_LogicalReplica as lr on ds.DataSourceId=lr.DataSourceId
join tbl_AM_Server as ag on ds.ServerId=ag.ServerId
join tbl_SPM_Volume as vol on lr.PhysicalReplicaId=vol.VolumeSetID
and vol.Usage =1 
and lr.Validity in (1,2) 
where ds.datasourcename like '%C:\%' -- volume drive letter for DPMBACKUP
and servername like '%dpmsqlservername%' --netbios name of server hosting DPMDB

